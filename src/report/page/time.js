/* How long the runs took, and where the time went. */
"use strict";
(function(oc) {
const {el, format, state} = oc;

const parts = [
    ["share_data", "preparing data"],
    ["share_forward", "forward"],
    ["share_backward", "backward"],
    ["share_optimizer", "optimizer"],
    ["share_validation", "validation"],
    ["other", "other"],
];

/* Seconds of each part over all epochs, or null where no epoch has been timed. */
function spent(run) {
    const {metrics} = run;
    if (!metrics) return null;
    const sums = parts.map(() => 0);
    let total = 0;
    metrics.seconds.forEach((seconds, i) => {
        const shares = parts.slice(0, -1).map(([key]) => metrics[key][i]);
        if (!format.known(seconds) || !shares.some(format.known)) return;
        let rest = seconds;
        shares.forEach((share, place) => {
            sums[place] += seconds * (share || 0);
            rest -= seconds * (share || 0);
        });
        sums[parts.length - 1] += Math.max(0, rest);
        total += seconds;
    });
    return total > 0 ? {sums, total} : null;
}

const timed = () => oc.shown().filter((run) => format.known(run.seconds));
const divided = () => oc.shown().map((run) => ({run, spent: spent(run)})).filter((one) => one.spent);

/* Bars of a readable thickness, however many there are. */
const height = (bars) => `${Math.max(7, 3.2 + 1.6 * bars)}rem`;

const label = (name) => {
    const most = window.innerWidth < 600 ? 14 : 24;
    return format.shortName(name, most);
};

function options(x, tooltip, stacked) {
    return {
        indexAxis: "y",
        animation: false,
        maintainAspectRatio: false,
        interaction: {mode: stacked ? "index" : "nearest", axis: "y", intersect: false},
        layout: {padding: {right: 12}},
        scales: {
            x: Object.assign(x, {stacked, beginAtZero: true}),
            y: oc.plot.axis("", function(value) { return label(this.getLabelForValue(value)); },
                {stacked, grid: {display: false}, ticks: {color: oc.palette().ink, autoSkip: false}}),
        },
        plugins: {tooltip, legend: {display: false}},
    };
}

const {seconds} = oc.plot;

/* Steps of whole minutes or hours. */
function step(most) {
    const unit = most >= 3600 ? 3600 : most >= 60 ? 60 : 1;
    const rough = (most > 1e-6 ? most : 1) / unit / 6; /* nothing yet: the axis goes to 1 */
    const size = Math.pow(10, Math.floor(Math.log10(rough)));
    return unit * size * [1, 2, 5, 10].find((times) => times * size >= rough);
}

const longest = (values) => Math.max(1e-9, ...values);

const whole = oc.figure({
    title: "Time of each run",
    about: "From the first step to the last, validation included.",
    size: "bars",
    height: () => height(timed().length),
    config() {
        const runs = timed(), most = longest(runs.map((run) => run.seconds));
        const colours = runs.map((run) => oc.style(run.name).colour);
        return {
            type: "bar",
            data: {
                labels: runs.map((run) => run.name),
                datasets: [{
                    data: runs.map((run) => run.seconds),
                    backgroundColor: colours,
                    barPercentage: 0.7,
                    maxBarThickness: 18
                }]
            },
            options: options(oc.plot.axis("", seconds(most), {ticks: {stepSize: step(most)}}),
                oc.plot.tooltip({label: (item) => ` ${format.duration(item.raw)}`}), false),
        };
    },
    summary: () =>
        `Time of each run: ${format.list(timed().map((run) => `${run.name} ${format.duration(run.seconds)}`), 8)}.`,
    table: () => oc.table("Time of each run", ["Run", "Time", "Seconds"],
        timed().map((run) => [run.name, format.duration(run.seconds), format.plain(run.seconds, 1)]),
        {class: "numbers"}),
});

/* Percentages within the bars that have room for them. */
const inside = {
    id: "inside",
    afterDatasetsDraw(chart) {
        const {ctx} = chart;
        ctx.save();
        ctx.font = `600 ${Math.round(0.9 * window.Chart.defaults.font.size)}px ${window.Chart.defaults.font.family}`;
        ctx.textAlign = "center";
        ctx.textBaseline = "middle";
        chart.data.datasets.forEach((dataset, at) => chart.getDatasetMeta(at).data.forEach((bar, i) => {
            const text = `${Math.round(100 * dataset.shares[i])}%`;
            const {x, base, y} = bar.getProps(["x", "base", "y"], true);
            if (x - base < ctx.measureText(text).width + 8) return;
            ctx.fillStyle = dataset.ink;
            ctx.fillText(text, (x + base) / 2, y);
        }));
        ctx.restore();
    },
};

const went = oc.figure({
    title: "Where the time went",
    size: "bars",
    about: "Seconds of all epochs together. Preparing data is what the processor does before it can compute a step: " +
        "reading, augmenting and mixing images.",
    height: () => height(divided().length),
    config() {
        const rows = divided(), {part, card} = oc.palette();
        const most = longest(rows.map((row) => row.spent.total));
        const x = state.shares ? oc.plot.axis("", (value) => `${Math.round(100 * value)}\u202f%`, {max: 1})
                               : oc.plot.axis("", seconds(most), {ticks: {stepSize: step(most)}});
        return {
            type: "bar",
            data: {
                labels: rows.map((row) => row.run.name),
                datasets: parts.map(([, name], place) => ({
                    label: name,
                    ink: oc.inkOn(part[place]),
                    backgroundColor: part[place],
                    borderColor: card,
                    borderWidth: {right: 1},
                    borderSkipped: false,
                    barPercentage: 0.8,
                    maxBarThickness: 20,
                    seconds: rows.map((row) => row.spent.sums[place]),
                    shares: rows.map((row) => row.spent.sums[place] / row.spent.total),
                    data: rows.map((row) => row.spent.sums[place] / (state.shares ? row.spent.total : 1)),
                }))
            },
            options: options(x, oc.plot.tooltip({
                label: (item) => ` ${item.dataset.label}: ${format.percent(item.dataset.shares[item.dataIndex])}, ${
                    format.duration(item.dataset.seconds[item.dataIndex])}`,
                labelColor: (item) => ({
                    borderColor: item.dataset.backgroundColor,
                    backgroundColor: item.dataset.backgroundColor,
                    borderWidth: 0
                }),
            }),
                true),
            plugins: [inside],
        };
    },
    summary() {
        const rows = divided();
        const total = rows.reduce((sum, row) => sum + row.spent.total, 0);
        if (!total) return "Where the time went: no epoch has been timed yet";
        return `Where the time went, all runs together: ${
            parts
                .map(([, name], place) => `${name} ${
                         format.percent(rows.reduce((sum, row) => sum + row.spent.sums[place], 0) / total, 0)}`)
                .join(", ")}.`;
    },
    notes: () => (divided().length ? [] : ["No epoch has been timed yet."]),
    table: () => oc.table("Where the time went", ["Run"].concat(parts.map((part) => part[1])),
        divided().map((row) => [row.run.name].concat(row.spent.sums.map(
                          (sum) => `${format.duration(sum)} (${format.percent(sum / row.spent.total)})`))),
        {class: "numbers"}),
});
[whole, went].forEach(oc.keepForPrint);

function choice() {
    const one = (value, text) => {
        const id = `time-${value ? "shares" : "seconds"}`;
        return [
            el("input", {
                type: "radio",
                name: "time-in",
                id,
                checked: state.shares === value,
                on: {
                    change: () => {
                        state.shares = value;
                        went.update();
                    }
                }
            }),
            el("label",
                {for: id
                },
                text)
        ];
    };
    return el(
        "fieldset", {class: "field choices"}, el("legend", null, "In"), one(true, "shares"), one(false, "seconds"));
}

oc.time = {
    id: "time",
    title: "Time",
    here: () => oc.trained().length > 0,
    make() {
        const key = el("ul", {class: "key"},
            parts.map(([, name], place) =>
                          el("li", null, el("span", {class: `part part-${place + 1}`, "aria-hidden": "true"}), name)));
        went.node.insertBefore(el("div", {class: "key-row"}, key, choice()), went.box);
        return [el("div", {class: "charts wide"}, whole.node, went.node)];
    },
    update() {
        whole.update();
        went.update();
    },
    charts: () => [whole.chart(), went.chart()],
};
})(window.ocelli);
