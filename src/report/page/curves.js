/* The curves of the runs over their epochs, and the controls beside them. */
"use strict";
(function(oc) {
const {el, format, state} = oc;

const plots = [
    {key: "val_top1", title: "Validation top-1", share: true, first: true, level: "top1"},
    {key: "val_loss", title: "Validation loss", loss: true, level: "loss"},
    {key: "train_loss", title: "Training loss", loss: true, training: true},
    {
        key: "train_top1",
        title: "Training top-1",
        share: true,
        training: true,
        about: "Of the images as they were trained on, augmented and mixed."
    },
    {
        key: "loss",
        title: "Training loss by step",
        loss: true,
        steps: true,
        about: "Means over equally many steps each."
    },
    {key: "lr", title: "Learning rate", steps: true, rough: true},
    {
        key: "images_per_second",
        title: "Images per second",
        training: true,
        about: "Of training, preparing the data included."
    },
];

/* ---- series ---- */

/* Of steps: epochs done and seconds gone by then, between those of the rows of metrics. */
function elapsed(run, step) {
    const {metrics} = run;
    let before = [0, 0];
    for (let i = 0; metrics && i < metrics.step.length; i++) {
        const here = [metrics.step[i], metrics.elapsed_seconds[i]];
        if (here[0] >= step)
            return here[0] === before[0]
                ? here[1]
                : before[1] + ((here[1] - before[1]) * (step - before[0])) / (here[0] - before[0]);
        before = here;
    }
    const rest = run.steps_done - before[0];
    return rest > 0 && format.known(run.seconds) ? before[1] + ((run.seconds - before[1]) * (step - before[0])) / rest
                                                 : before[1];
}

/* All points of a run: epoch, step, seconds, and the value y, which may be null. */
function series(run, plot) {
    if (plot.steps) {
        const {steps_sampled: sampled} = run;
        if (!sampled || !sampled[plot.key]) return [];
        return sampled.step.map((step, i) => ({
            epoch: run.steps ? (step * run.epochs) / run.steps : 0,
            step,
            seconds: elapsed(run, step),
            y: sampled[plot.key][i]
        }));
    }
    const {metrics} = run;
    if (!metrics || !metrics[plot.key]) return [];
    const points = metrics.epoch.map(
        (epoch, i) => ({epoch, step: metrics.step[i], seconds: metrics.elapsed_seconds[i], y: metrics[plot.key][i]}));
    /* Before the first step nothing has been trained. */
    return plot.training ? points.filter((point) => point.step > 0) : points;
}

const inRange = (point) => point.epoch >= state.from && point.epoch <= state.to;

/* Exponential moving average whose start is not drawn to 0, as in TensorBoard. What is no number is passed over. */
function smooth(points, weight) {
    let sum = 0, seen = 0;
    return points.map((point) => {
        if (!format.known(point.y)) return point;
        sum = sum * weight + (1 - weight) * point.y;
        seen++;
        return Object.assign({}, point, {y: sum / (1 - Math.pow(weight, seen)), raw: point.y});
    });
}

const placed = (point) => Object.assign({x: state.axis === "time" ? point.seconds : point.epoch}, point);

/* Points that stand alone would not be seen in a line. */
function alone(points, i) {
    const known = (at) => at >= 0 && at < points.length && format.known(points[at].y);
    return known(i) && !known(i - 1) && !known(i + 1);
}

function radius(points, i) {
    if (alone(points, i)) return 4;
    return points.length <= 12 ? 3 : 0;
}

function line(run, points, more) {
    const {colour, dash, shape} = oc.style(run.name);
    return Object.assign({
        label: run.name,
        data: points,
        borderColor: colour,
        backgroundColor: colour,
        borderDash: dash,
        borderWidth: 2,
        pointStyle: shape,
        pointBorderColor: colour,
        pointHitRadius: 0,
        pointHoverRadius: 4,
        clip: 6,
        spanGaps: false,
        tension: 0,
        pointRadius: points.map((_, i) => radius(points, i)),
    },
        more);
}

/* An ensemble has no epochs: its figure is a level. */
function level(run, plot, end) {
    const {ensemble} = run.ensemble || {};
    const value = ensemble && plot.level ? ensemble[plot.level] : null;
    if (!format.known(value)) return null;
    const {colour, dash} = oc.style(run.name);
    return {
        label: run.name,
        data: [{x: end[0], y: value, level: true}, {x: end[1], y: value, level: true}],
        borderColor: colour,
        backgroundColor: colour,
        borderWidth: 1.5,
        borderDash: dash,
        pointRadius: 0,
        pointHitRadius: 0,
        pointHoverRadius: 0,
        everywhere: true
    };
}

function datasets(plot) {
    const sets = [], faint = [];
    const emphasis = oc.shown().some((run) => run.name === state.emphasis) ? state.emphasis : null;
    const smoothing = plot.rough ? 0 : state.smoothing;
    const runs = oc.shown();
    for (const run of runs.filter((one) => !oc.isEnsemble(one))) {
        const all = series(run, plot);
        if (!all.length) continue;
        const points = (smoothing > 0 ? smooth(all, smoothing) : all).filter(inRange).map(placed);
        sets.push(line(run, points));
        if (smoothing > 0) {
            const {colour} = oc.style(run.name);
            faint.push(line(run, all.filter(inRange).map(placed), {
                quiet: true,
                borderWidth: 1,
                borderColor: `${colour}55`,
                borderDash: [],
                pointRadius: 0,
                pointHoverRadius: 0
            }));
        }
    }
    const xs = sets.flatMap((set) => set.data.map((point) => point.x));
    if (xs.length) {
        const end = [Math.min(...xs), Math.max(...xs)];
        for (const run of runs.filter(oc.isEnsemble)) {
            const set = level(run, plot, end);
            if (set) sets.push(set);
        }
    }
    sets.concat(faint).forEach((set) => { set.own = set.borderColor; });
    emphasise(sets.concat(faint), emphasis);
    return sets.concat(faint);
}

/* The run that is pointed at in the list stands out, the others step back. The lowest order is drawn on top. */
function emphasise(sets, name) {
    sets.forEach((set, place) => {
        const back = name !== null && set.label !== name;
        set.borderColor = set.pointBorderColor = set.backgroundColor = back ? `${set.own.slice(0, 7)}33` : set.own;
        set.order = place + (back || name === null ? 1 : -sets.length);
    });
}

function point(name) {
    if (state.emphasis === name) return;
    state.emphasis = name;
    requestAnimationFrame(() => {
        if (state.emphasis !== name) return;
        figures.forEach((figure) => {
            const chart = figure.chart();
            if (!chart) return;
            emphasise(chart.data.datasets, oc.shown().some((run) => run.name === name) ? name : null);
            chart.update("none");
        });
    });
}

/* ---- one chart ---- */

function show(plot) {
    if (plot.share) return (value) => format.percent(value, 2);
    return plot.key === "images_per_second" ? (value) => format.plain(value, 1) : format.number;
}

function placeName(point) {
    if (!point || point.level) return "";
    const epoch = Number.isInteger(point.epoch) ? String(point.epoch) : format.plain(point.epoch, 2);
    return state.axis === "time" ? `${format.duration(point.seconds)}` : `Epoch ${epoch}`;
}

function tooltipOf(plot) {
    const value = show(plot);
    const details = (point) => [point.raw !== undefined ? `smoothed ${value(point.y)}` : "",
        state.axis === "time" && !point.level
            ? `epoch ${format.plain(point.epoch, Number.isInteger(point.epoch) ? 0 : 2)}`
            : "",
        plot.steps && !point.level ? `step ${format.whole(point.step)}` : ""]
                                   .filter(Boolean);
    return oc.plot.tooltip({
        title: (items) => placeName((items.find((item) => !item.raw.level) || {}).raw),
        label: (item) => {
            const point = item.raw, more = details(point);
            return ` ${item.dataset.label}: ${value(point.raw !== undefined ? point.raw : point.y)}${
                more.length ? ` (${more.join(", ")})` : ""}`;
        },
        footer: (items) => (items.length && items[0].chart.unnamed ? [`and ${items[0].chart.unnamed} more`] : []),
        labelColor: (item) =>
            ({borderColor: item.dataset.borderColor, backgroundColor: item.dataset.borderColor, borderWidth: 0}),
    });
}

/* A number at an axis; what is very small or large has an exponent. */
function round(value, digits) {
    const rounded = Number(value.toPrecision(digits)), size = Math.abs(rounded);
    const plain = size === 0 || (size >= 1e-3 && size < 1e6);
    return plain ? String(rounded) : rounded.toExponential().replace("e+", "e").replace("-", "\u2212");
}

function tickOf(plot) {
    if (plot.share) return (value) => `${Number((100 * value).toFixed(2))}\u202f%`;
    if (plot.key === "lr") return (value) => round(value, Math.abs(value) < 1e-3 ? 2 : 3);
    return (value, place, ticks) => {
        /* Of the many ticks of a logarithmic axis those at 1, 2 and 5. */
        const crowded = state.log && plot.loss && ticks.length > 8;
        return crowded && !/^[125]/.test(value.toExponential()) ? null : round(value, 4);
    };
}

const seconds = (sets) => oc.plot.seconds(Math.max(...sets.flatMap((set) => set.data.map((point) => point.x)), 0));

/* Whole epochs, unless there is but one. */
function epochTick(value) { return Number.isInteger(value) ? String(value) : String(+value.toFixed(2)); }

/* Some room above and below the lines, but none below zero, nor above all. */
function room(sets, share) {
    let low = Infinity, high = -Infinity;
    sets.forEach((set) => set.data.forEach(({y}) => {
        if (!format.known(y)) return;
        low = Math.min(low, y);
        high = Math.max(high, y);
    }));
    if (low > high) return {suggestedMin: 0, suggestedMax: 1};
    const more = 0.04 * (high - low || Math.abs(high) || 1);
    return {
        suggestedMin: low >= 0 ? Math.max(0, low - more) : low - more,
        suggestedMax: share ? Math.min(1, high + more) : high + more,
    };
}

function config(plot) {
    const sets = datasets(plot);
    const time = state.axis === "time";
    const logarithmic = state.log && plot.loss;
    return {
        type: "line",
        data: {datasets: sets},
        options: {
            better: plot.loss ? "low" : "high",
            parsing: false,
            normalized: true,
            animation: false,
            maintainAspectRatio: false,
            interaction: {mode: "place", intersect: false},
            layout: {padding: {right: 8, top: 4}},
            scales: {
                x: oc.plot.axis(time ? "Time" : "Epoch", time ? seconds(sets) : epochTick,
                    Object.assign({type: "linear", bounds: "data"}, time ? {} : {
                        min: state.from,
                        max: Math.min(state.to, oc.lastEpoch()),
                        ticks: {precision: oc.lastEpoch() > 2 ? 0 : undefined}
                    })),
                y: oc.plot.axis("", tickOf(plot),
                    Object.assign(
                        {type: logarithmic ? "logarithmic" : "linear", beginAtZero: plot.key === "images_per_second"},
                        logarithmic ? {} : room(sets, plot.share))),
            },
            plugins: {tooltip: tooltipOf(plot), legend: {display: false}},
        },
    };
}

/* The last known value of every run shown. */
function summary(plot) {
    const value = show(plot);
    const lasts = oc.shown()
                      .filter((run) => !oc.isEnsemble(run))
                      .map((run) => {
                          const points = series(run, plot).filter((point) => format.known(point.y));
                          const last = points[points.length - 1];
                          return last ? {text: `${run.name} ${value(last.y)}`, y: last.y} : null;
                      })
                      .filter(Boolean)
                      .sort((a, b) => (plot.loss ? a.y - b.y : b.y - a.y));
    if (!lasts.length) return `${plot.title}: nothing to show`;
    return `${plot.title} over ${state.axis === "time" ? "time" : "epochs"}, ${
        format.count(lasts.length, "run", "runs")}. Last: ${format.list(lasts.map((last) => last.text), 6)}.`;
}

/* Which epochs have no number, in words: "3, 5–8". */
function spans(numbers) {
    const parts = [];
    for (let i = 0; i < numbers.length; i++) {
        let end = i;
        while (end + 1 < numbers.length && numbers[end + 1] === numbers[end] + 1) end++;
        parts.push(end > i ? `${numbers[i]}\u2013${numbers[end]}` : String(numbers[i]));
        i = end;
    }
    return format.list(parts, 5);
}

function notes(plot) {
    const said = [];
    const empty = [];
    for (const run of oc.shown()) {
        if (oc.isEnsemble(run)) continue;
        const points = series(run, plot);
        if (!points.some((point) => format.known(point.y))) {
            empty.push(run.name);
            continue;
        }
        const gaps = points.filter((point) => !format.known(point.y));
        if (!gaps.length) continue;
        const numbers = plot.steps ? null : gaps.map((point) => point.epoch);
        said.push(numbers
                ? `${run.name}: not a number in epoch${numbers.length > 1 ? "s" : ""} ${spans(numbers)}.`
                : `${run.name}: not a number in ${format.count(gaps.length, "place", "places")}, the first by step ${
                      format.whole(gaps[0].step)}.`);
    }
    if (empty.length) said.push(`Nothing to draw yet: ${format.list(empty, 6)}.`);
    return said.length > 6 ? said.slice(0, 5).concat(`${said.length - 5} more runs have gaps.`) : said;
}

function table(plot) {
    const runs = oc.shown().filter((run) => !oc.isEnsemble(run) && series(run, plot).length);
    const value = show(plot);
    const key = plot.steps ? "step" : "epoch";
    const rows = new Map();
    runs.forEach((run, place) => series(run, plot).filter(inRange).forEach((point) => {
        if (!rows.has(point[key])) rows.set(point[key], runs.map(() => ""));
        rows.get(point[key])[place] = value(point.y);
    }));
    return oc.table(plot.title, [plot.steps ? "Step" : "Epoch"].concat(runs.map((run) => run.name)),
        Array.from(rows.keys()).sort((a, b) => a - b).map((at) => [format.whole(at)].concat(rows.get(at))),
        {class: "numbers"});
}

/* ---- the controls ---- */

function switchAll(runs, on) {
    runs.forEach((run) => (on ? state.hidden.delete(run.name) : state.hidden.add(run.name)));
    oc.tell("shown");
}

let list, filter, filterField, shownCount, fromInput, toInput, epochsText, track, smoothText, listed = "";

const matching = () =>
    oc.runs().filter((run) => run.name.toLowerCase().includes((filter ? filter.value : "").trim().toLowerCase()));

function listItem(run) {
    const id = oc.newId("run");
    const box = el("input", {
        type: "checkbox",
        id,
        "data-run": run.name,
        on: {
            change: () => {
                if (box.checked)
                    state.hidden.delete(run.name);
                else
                    state.hidden.add(run.name);
                oc.tell("shown");
            }
        }
    });
    box.checked = !state.hidden.has(run.name);
    const on = {
        pointerenter: () => point(run.name),
        pointerleave: () => point(null),
        focusin: () => point(run.name),
        focusout: () => point(null)
    };
    return el("li", {on}, box, el("label", {for: id
    }, oc.swatch(run.name), el("span", {class: "name", title: run.name}, run.name)));
}

function updateList() {
    const runs = matching();
    filterField.hidden = oc.runs().length <= 8;
    const now = runs.map((run) => run.name).join("\n");
    /* Made anew only when other runs are listed; the focus stays where it is. */
    if (now !== listed) {
        const focused = list.contains(document.activeElement) ? document.activeElement.dataset.run : null;
        const scrolled = list.scrollTop;
        oc.replace(list, runs.map(listItem));
        list.scrollTop = scrolled;
        const again = Array.from(list.querySelectorAll("input")).find((box) => box.dataset.run === focused);
        if (again) again.focus({preventScroll: true});
    }
    listed = now;
    list.querySelectorAll("input").forEach((box) => { box.checked = !state.hidden.has(box.dataset.run); });
    shownCount.textContent = `${oc.shown().length} of ${oc.runs().length} shown`;
}

function updateRange() {
    const last = oc.lastEpoch();
    const to = Math.min(state.to, last), from = Math.min(state.from, to);
    for (const [input, value] of [[fromInput, from], [toInput, to]]) {
        input.max = String(last);
        input.value = String(value);
        input.setAttribute("aria-valuetext", `epoch ${value}`);
    }
    track.style.left = `${(100 * from) / last}%`;
    track.style.right = `${100 - (100 * to) / last}%`;
    epochsText.textContent = `${from}\u2013${to}`;
}

function onRange(moved) {
    const last = Number(toInput.max);
    let from = Number(fromInput.value), to = Number(toInput.value);
    if (to - from < 1) {
        if (moved === fromInput)
            from = Math.max(0, to - 1);
        else
            to = Math.min(last, from + 1);
        if (to - from < 1) from = Math.max(0, to - 1);
    }
    state.from = from;
    state.to = to >= last ? Infinity : to;
    updateRange();
    oc.tell("view");
}

function range() {
    const input = (label, value) => {
        const node = el("input", {type: "range", min: 0, max: 1, step: 1, value, "aria-label": label});
        node.addEventListener("input", () => onRange(node));
        return node;
    };
    fromInput = input("First epoch shown", 0);
    toInput = input("Last epoch shown", 1);
    fromInput.id = "epoch-from";
    toInput.id = "epoch-to";
    track = el("div", {class: "chosen"});
    epochsText = el("output", {for: "epoch-from epoch-to"
    });
    return el("div", {class: "field", role: "group", "aria-label": "Epochs shown"},
        el("p", null, "Epochs ", epochsText),
        el("div", {class: "two-ends"}, el("div", {class: "track"}, track), fromInput, toInput));
}

function smoothing() {
    smoothText = el("output", {for: "smoothing"
    }, "off");
    const input = el("input", {
        type: "range",
        id: "smoothing",
        min: 0,
        max: 0.95,
        step: 0.05,
        value: 0,
        on: {
            input: () => {
                state.smoothing = Number(input.value);
                smoothText.textContent = state.smoothing > 0 ? state.smoothing.toFixed(2) : "off";
                oc.tell("view");
            }
        }
    });
    return el("div", {class: "field"}, el("p", null, el("label", {for: "smoothing"
    }, "Smoothing"), " ", smoothText), input);
}

function axisChoice() {
    const choice = (value, text) => {
        const id = `axis-${value}`;
        const input = el("input", {
            type: "radio",
            name: "axis",
            id,
            value,
            checked: state.axis === value,
            on: {
                change: () => {
                    state.axis = value;
                    oc.tell("view");
                }
            }
        });
        return [
            input,
            el("label",
                {for: id
                },
                text)
        ];
    };
    const log = el("input", {
        type: "checkbox",
        id: "log",
        on: {
            change: () => {
                state.log = log.checked;
                oc.tell("view");
            }
        }
    });
    return [
        el("fieldset", {class: "field choices"}, el("legend", null, "Over"), choice("epoch", "epochs"),
            choice("time", "time")),
        el("p", {class: "field choices"}, log,
            el("label",
                {for: "log"
                },
                "Logarithmic losses"))
    ];
}

oc.rail = {
    make() {
        list = el("ul", {class: "run-list", id: "run-list"});
        filter = el("input", {type: "search", id: "filter", placeholder: "Part of a name", on: {input: updateList}});
        filterField = el("p", {class: "field filter"}, el("label", {for: "filter"
        }, "Find runs"), filter);
        shownCount = el("span", {class: "count"});
        const button = (text, label, on) =>
            el("button", {type: "button", "aria-label": label, on: {click: () => switchAll(matching(), on)}}, text);
        return el("div", {class: "rail", role: "group", "aria-label": "What the charts show"},
            el("div", {class: "rail-runs"}, el("p", {class: "rail-title"}, "Runs ", shownCount), filterField,
                el("p", {class: "buttons"}, button("All", "Show all runs", true), button("None", "Show no run", false)),
                list),
            el("div", {class: "rail-view"}, range(), smoothing(), axisChoice()));
    },
    update() {
        updateList();
        updateRange();
    },
};

const figures = plots.map((plot) => oc.figure({
    title: plot.title,
    about: plot.about,
    size: plot.first ? "first" : "",
    linked: true,
    keys: true,
    config: () => config(plot),
    summary: () => summary(plot),
    notes: () => notes(plot),
    table: () => table(plot),
}));
figures.forEach(oc.keepForPrint);

oc.curves = {
    id: "curves",
    title: "Curves",
    here: () => oc.trained().length > 0,
    make: () => [el("div", {class: "charts"}, figures.map((figure, i) => {
        if (plots[i].first) figure.node.classList.add("first");
        figure.node.dataset.plot = plots[i].steps ? `step_${plots[i].key}` : plots[i].key;
        return figure.node;
    }))],
    update() { figures.forEach((figure) => figure.update()); },
    /* For tests and the curious: charts by the name of what they show. */
    chart: (key) => figures[plots.findIndex((plot) => (plot.steps ? `step_${plot.key}` : plot.key) === key)].chart(),
};
})(window.ocelli);
