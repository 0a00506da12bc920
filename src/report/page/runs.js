/* The summary in words, and the table of runs. */
"use strict";
(function(oc) {
const {el, svg, format} = oc;

/* ---- the summary ---- */

function best(run) {
    const {best} = run;
    return [
        "The best run is ",
        el("strong", null, run.name),
        ": ",
        el("strong", null, `${format.percent(best.top1)} top\u20111`),
        ` (95${"\u202f"}% interval ${format.interval(best.top1_low, best.top1_high)}) on `,
        `${format.whole(best.images)} validation images`,
        run.epochs > 0 ? ` after epoch ${best.epoch} of ${run.epochs}` : "",
        format.known(run.seconds) ? `, trained in ${format.duration(run.seconds)}` : "",
        ". ",
    ];
}

const joinedHow = {
    stack: "stacked",
    mean: "averaging",
    weighted: "weighted"
};

function joined(run) {
    const {members, ensemble} = run.ensemble;
    const member = members[ensemble.best_member];
    if (!member || !format.known(ensemble.top1)) return null;
    const gain = 100 * (ensemble.top1 - member.top1);
    return [
        `The ${joinedHow[run.ensemble.method] || run.ensemble.method} ensemble of ${
            format.count(members.filter((one) => one.kept).length, "model", "models")}`,
        run.name === "ensemble" ? "" : [", ", el("strong", null, run.name), ","],
        " reaches ",
        el("strong", null, format.percent(ensemble.top1)),
        ` (${format.interval(ensemble.top1_low, ensemble.top1_high)}), `,
        `${format.plain(Math.abs(gain), 1)} points ${gain < 0 ? "below" : "above"} its best member, ${
            oc.memberName(member)} (${format.p(ensemble.p)}).`,
    ];
}

function sentences() {
    const {live} = oc.state.data;
    const runs = oc.runs();
    if (runs.length === 0)
        return live ? "There is no run in this folder yet. Runs appear here as they begin."
                    : "There is no run to show.";
    const first = oc.best(oc.trained());
    const whole = oc.best(runs.filter((run) => run.ensemble && run.ensemble.ensemble));
    const said = [first ? best(first) : null, whole ? joined(whole) : null].filter(Boolean);
    return said.length ? said : "No run has been validated yet.";
}

const named = (runs) => format.list(runs.map((run) => run.name), 5);

/* What a reader should know before the numbers. */
function notes() {
    const {left_out: leftOut = []} = oc.state.data;
    const of = (state) => oc.runs().filter((run) => run.state === state);
    const running = of("running"), stopped = of("stopped"), failed = of("failed");
    const found = [];
    const be = (runs) => (runs.length === 1 ? "is" : "are");
    if (running.length) found.push(`${named(running)} ${be(running)} still training.`);
    if (stopped.length)
        found.push(
            `${named(stopped)} ${stopped.length === 1 ? "was" : "were"} stopped before the end and can be resumed.`);
    for (const run of failed.slice(0, 5))
        found.push(`${run.name} failed: ${run.reason || "the reason is not recorded"}.`);
    if (failed.length > 5) found.push(`${failed.length - 5} more runs failed; the table says why.`);
    for (const {folder, reason} of leftOut) found.push(`Left out: ${folder} (${reason}).`);
    return found;
}

oc.summary = {
    make() {
        return [el("h1", {id: "title"}), el("p", {class: "lead", id: "lead"}), el("ul", {class: "notes", id: "notes"})];
    },
    update() {
        const title = oc.state.data.title || "Runs";
        document.title = `${title} \u2013 Ocelli`;
        oc.byId("title").textContent = title;
        oc.replace(oc.byId("lead"), sentences());
        oc.replace(oc.byId("notes"), notes().map((note) => el("li", null, note)));
        oc.byId("notes").hidden = !oc.byId("notes").childNodes.length;
    },
};

/* ---- the table ---- */

/* Top-1 and its interval on an axis that all rows share. */
function whisker(best, low, high) {
    const width = 96, pad = 5;
    const x = (share) => pad + ((width - 2 * pad) * (share - low)) / Math.max(high - low, 1e-9);
    return svg("svg", {class: "whisker", width, height: 14, viewBox: `0 0 ${width} 14`, "aria-hidden": "true"},
        svg("line", {class: "axis", x1: 0, y1: 7, x2: width, y2: 7}),
        svg("line", {x1: x(best.top1_low), y1: 7, x2: x(best.top1_high), y2: 7}),
        svg("circle", {cx: x(best.top1), cy: 7, r: 3.5}));
}

const states = ["finished", "running", "stopped", "failed"];
const text = (key) =>
    ({value: (run) => run[key], cell: (run) => run[key] === null || run[key] === undefined ? format.none : run[key]});
const numeric = (value, show, down) =>
    ({number: true, down: down !== false, value, cell: (run) => show(value(run), run)});

function epochs(done, run) {
    const all = done === run.epochs || !format.known(done);
    return all ? format.whole(done) : `${format.whole(done)} of ${format.whole(run.epochs)}`;
}
const ofBest = (key) => (run) => (run.best ? run.best[key] : null);

const columns = [
    {
        key: "name",
        title: "Run",
        value: (run) => run.name,
        cell: (run) => [oc.swatch(run.name), oc.runLink(run),
            run.reason ? el("span", {class: "reason"}, run.reason) : null]
    },
    {
        key: "top1",
        title: "Top\u20111, 95\u202f% interval",
        plotted: true,
        ...numeric(ofBest("top1"), (value) => format.percent(value))
    },
    {key: "top5", title: "Top\u20115", ...numeric(ofBest("top5"), (value) => format.percent(value))},
    {key: "loss", title: "Loss", ...numeric(ofBest("loss"), (value) => format.loss(value), false)},
    {
        key: "state",
        title: "State",
        value: (run) => run.state,
        cell: (run) => el("span", {class: `badge ${states.includes(run.state) ? run.state : ""}`}, run.state)
    },
    {key: "model", title: "Model", ...text("model")},
    {key: "epochs", title: "Epochs", ...numeric((run) => (oc.isEnsemble(run) ? null : run.epochs_done), epochs)},
    {key: "seconds", title: "Time", ...numeric((run) => run.seconds, format.duration)},
    {
        key: "rate",
        title: "Images/s",
        ...numeric((run) => run.images_per_second, (value) => format.plain(value, value >= 100 ? 0 : 1))
    },
    {key: "memory", title: "Peak memory", ...numeric((run) => run.peak_memory, format.bytes, false)},
    {key: "parameters", title: "Parameters", exact: true, ...numeric((run) => run.parameters, format.rough, false)},
    {key: "macs", title: "MACs", exact: true, ...numeric((run) => run.macs, format.rough, false)},
    {
        key: "seed",
        title: "Seed",
        ...numeric((run) => run.seed, (value) => (format.known(value) ? String(value) : format.none), false)
    },
];

/* These have columns of their own. */
const shownAlready = new Set(["model.name", "train.seed", "train.epochs"]);

function differing(key) {
    const value = (run) => {
        const setting = run.recipe ? run.recipe[key] : null;
        return setting === undefined ? null : setting;
    };
    const number = (run) =>
        (value(run) !== null && value(run) !== "" && Number.isFinite(Number(value(run))) ? Number(value(run))
                                                                                         : value(run));
    return {
        key: `recipe ${key}`,
        title: key,
        recipe: true,
        value: number,
        cell: (run) => (value(run) === null ? format.none
                : value(run) === ""         ? "(empty)"
                                            : value(run))
    };
}

/* What was changed stands beside what came of it. */
function allColumns() {
    const recipe = (oc.state.data.differences || []).filter((key) => !shownAlready.has(key)).map(differing);
    const place = columns.findIndex((column) => column.key === "state");
    return [...columns.slice(0, place), ...recipe, ...columns.slice(place)];
}

/* What is not known comes last, whichever way the rest goes. */
function sorted(runs, column, down) {
    const compare = (a, b) =>
        (typeof a === "number" && typeof b === "number" ? a - b
                                                        : String(a).localeCompare(String(b), "en", {numeric: true}));
    const unknown = (value) => value === null || value === undefined;
    return runs.map((run, place) => ({run, place, value: column.value(run)}))
        .sort((a, b) => {
            if (unknown(a.value) || unknown(b.value)) return unknown(a.value) - unknown(b.value) || a.place - b.place;
            return (down ? -1 : 1) * compare(a.value, b.value) || a.place - b.place;
        })
        .map((row) => row.run);
}

let head, body, shownKeys = "";

function sortBy(column) {
    const {sort} = oc.state;
    sort.down = sort.key === column.key ? !sort.down : Boolean(column.down);
    sort.key = column.key;
    updateTable();
    oc.say(`Sorted by ${column.title}, ${sort.down ? "highest" : "lowest"} first.`);
}

const classOf = (column) => ["number", "plotted", "recipe"].filter((name) => column[name]).join(" ") || null;

function headCell(column) {
    const button =
        el("button", {type: "button", on: {click: () => sortBy(column)}}, column.title.replace(/\./g, ".\u200b"));
    return el("th", {scope: "col", "data-key": column.key, class: classOf(column)}, button);
}

/* An interval in numbers, and drawn. */
function interval({best}, low, high) {
    if (!best || !format.known(best.top1_low) || !format.known(best.top1_high)) return null;
    const text = el("span", {class: "range"}, format.interval(best.top1_low, best.top1_high));
    return [" ", text, whisker(best, low, high)];
}

function bodyCell(run, column, place, low, high) {
    if (place === 0) return el("th", {scope: "row", class: run.name.length > 28 ? "long" : null}, column.cell(run));
    const exact = column.exact ? column.value(run) : null;
    const title = format.known(exact) ? format.whole(exact) : null;
    return el(
        "td", {class: classOf(column), title}, column.cell(run), column.plotted ? interval(run, low, high) : null);
}

function updateTable() {
    const shown = allColumns();
    const keys = shown.map((column) => column.key).join("\n");
    /* The head stays where it can, and with it the focus. */
    if (keys !== shownKeys) oc.replace(head, shown.map(headCell));
    shownKeys = keys;
    const {sort} = oc.state;
    const column = shown.find((one) => one.key === sort.key);
    for (const cell of head.children) {
        if (column && cell.dataset.key === column.key)
            cell.setAttribute("aria-sort", sort.down ? "descending" : "ascending");
        else
            cell.removeAttribute("aria-sort");
    }
    const runs = column ? sorted(oc.runs(), column, sort.down) : oc.runs();
    const ends =
        runs.filter((run) => run.best).flatMap((run) => [run.best.top1_low, run.best.top1_high]).filter(format.known);
    const low = Math.min(...ends), high = Math.max(...ends);
    const best = oc.best(oc.runs());
    oc.replace(body,
        runs.map((run) => el("tr", {class: run === best ? "best" : null},
                     shown.map((one, place) => bodyCell(run, one, place, low, high)))));
}

oc.table_of_runs = {
    id: "runs",
    title: "Runs",
    here: () => oc.runs().length > 0,
    make() {
        head = el("tr");
        body = el("tbody");
        const table = el("table", {class: "runs"},
            el("caption", {class: "unseen"}, "The runs; the buttons in the head sort them"), el("thead", null, head),
            body);
        return [
            el("p", {class: "about"},
                "Best validation of each run. The whiskers are 95\u202f% intervals (Wilson) on one axis: where they " +
                    "overlap much, the difference may be chance. Of the recipe only settings that differ are shown."),
            oc.scroller("Table of runs", table)
        ];
    },
    update: updateTable,
};
})(window.ocelli);
