/* What the reader is looking at, and what there is to look at: kept apart from the parts of the page, which are told
 * when it changes. */
"use strict";
(function(oc) {
const state = {
    data: null,
    hidden: new Set(), /* names of runs that are switched off */
    from: 0,           /* the epochs that are shown */
    to: Infinity,      /* Infinity: up to the last, also one that is still to come */
    smoothing: 0,
    axis: "epoch",  /* or "time" */
    log: false,     /* losses on a logarithmic axis */
    shares: true,   /* where the time went: in shares, or in seconds */
    emphasis: null, /* the run that is pointed at in the list */
    selected: null, /* the run whose weights and recipe are shown; null: the best */
    sort: {key: null, down: false},
};

const listeners = {};
oc.on = (event, listener) => (listeners[event] = listeners[event] || []).push(listener);
oc.tell = (event) => (listeners[event] || []).forEach((listener) => listener());

const top1 = (run) => (run.best && oc.format.known(run.best.top1) ? run.best.top1 : -1);

oc.state = state;
oc.runs = () => state.data.runs;
oc.run = (name) => state.data.runs.find((run) => run.name === name) || null;
oc.shown = () => state.data.runs.filter((run) => !state.hidden.has(run.name));
oc.isEnsemble = (run) => run.kind === "ensemble";
oc.trained = () => state.data.runs.filter((run) => !oc.isEnsemble(run));

/* The first of those with the highest top-1, or null. */
oc.best = (runs) => runs.reduce((best, run) => (top1(run) > (best ? top1(best) : -1) ? run : best), null);

/* The run that is looked at closely: as chosen, else the best, the first where none has been validated. */
oc.selected = () => oc.run(state.selected) || oc.best(oc.trained()) || oc.best(oc.runs()) || oc.runs()[0] || null;

oc.lastEpoch = () => Math.max(1,
    ...oc.runs()
        .map((run) => {
            const epochs =
                run.metrics && run.metrics.epoch.length ? run.metrics.epoch[run.metrics.epoch.length - 1] : 0;
            const steps = run.steps_sampled ? run.steps_sampled.step : [];
            const reached = steps.length && run.steps ? (steps[steps.length - 1] * run.epochs) / run.steps : 0;
            return Math.max(epochs, Math.ceil(reached - 1e-9));
        })
        .filter(Number.isFinite));

/* How a run is drawn, the same in all charts. Runs of one name and several seeds share a colour, and are told
 * apart by their dashes; so are runs when there are more than colours. */
const dashes = [[], [7, 4], [2, 3], [9, 3, 2, 3], [14, 4], [4, 2, 1, 2, 1, 2], [1, 5]];
const shapes = ["circle", "rect", "triangle", "rectRot", "cross", "star", "crossRot"];
const styles = new Map();

oc.arrange = () => {
    const families = new Map();
    styles.clear();
    const colours = oc.palette().series.length;
    for (const run of oc.runs()) {
        const family = run.name.replace(/-seed\d+$/, "");
        if (!families.has(family)) families.set(family, {place: families.size, members: 0});
        const {place} = families.get(family);
        /* The level of an ensemble, which has no curve. */
        if (oc.isEnsemble(run)) {
            styles.set(run.name, {colour: place % colours, dash: [3, 3], shape: "circle"});
            continue;
        }
        const dash = (families.get(family).members++ + Math.floor(place / colours)) % dashes.length;
        styles.set(run.name, {colour: place % colours, dash: dashes[dash], shape: shapes[place % shapes.length]});
    }
};

oc.style = (name) => {
    const {colour, dash, shape} = styles.get(name) || {colour: 0, dash: [], shape: "circle"};
    return {colour: oc.palette().series[colour], index: colour, dash, shape};
};

/* Colours are given once, in base.css, for light and dark. */
let palette = null;
oc.palette = () => {
    if (palette) return palette;
    const style = getComputedStyle(document.documentElement);
    const get = (name) => style.getPropertyValue(`--${name}`).trim();
    const many = (stem, amount) => Array.from({length: amount}, (_, i) => get(`${stem}-${i + 1}`));
    palette = {
        ink: get("ink"),
        soft: get("soft"),
        line: get("line"),
        paper: get("paper"),
        card: get("card"),
        accent: get("accent"),
        series: many("series", 7),
        part: many("part", 6),
        right: [get("right-0"), get("right-1")],
        wrong: [get("wrong-0"), get("wrong-1")]
    };
    return palette;
};
oc.theme.onChange(() => {
    palette = null;
    oc.tell("theme");
});

/* Dark or light text, whichever is read better on a colour. */
oc.inkOn = (colour) => {
    const part = (at) => {
        const value = parseInt(colour.slice(at, at + 2), 16) / 255;
        return value <= 0.04045 ? value / 12.92 : Math.pow((value + 0.055) / 1.055, 2.4);
    };
    return 0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5) > 0.18 ? "#101318" : "#ffffff";
};

/* A sample of a run's line. */
oc.swatch = (name) => {
    const {index, dash} = oc.style(name);
    return oc.svg("svg",
        {class: `swatch series-${index + 1}`, width: 26, height: 10, viewBox: "0 0 26 10", "aria-hidden": "true"},
        oc.svg("line", {x1: 1, y1: 5, x2: 25, y2: 5, "stroke-dasharray": dash.join(" ") || null}));
};

/* A name that leads to the run's weights and recipe. */
oc.runLink = (run) => oc.el("a", {href: "#again", on: {click: () => oc.choose(run.name)}}, run.name);
oc.choose = (name) => {
    state.selected = name;
    oc.tell("selected");
};
})(window.ocelli);
