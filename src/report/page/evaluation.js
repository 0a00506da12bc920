/* What the best weights of one run do on the validation images. */
"use strict";
(function(oc) {
const {el, svg, format} = oc;

oc.className = (evaluation, place) =>
    (evaluation.class_names[place] || "").trim() || (evaluation.classes[place] || "").trim() || `class ${place}`;

/* A field to choose the run that is looked at, the same in all sections. */
oc.runChoice = () => {
    const runs = oc.runs();
    const run = oc.selected();
    if (runs.length < 2) return el("p", {class: "field"}, "Run ", el("strong", null, run.name));
    const best = oc.best(oc.trained());
    return oc.select(
        "Run", runs.map((one) => [one.name, one === best ? `${one.name} (best)` : one.name]), run.name, oc.choose);
};

function figures(evaluation) {
    const pair = (name, value, more) =>
        el("div", null, el("dt", null, name), el("dd", null, value, more ? el("span", null, ` ${more}`) : null));
    return el("dl", {class: "figures"},
        pair("Top-1", format.percent(evaluation.top1), format.interval(evaluation.top1_low, evaluation.top1_high)),
        pair("Top-5", format.percent(evaluation.top5)), pair("Loss", format.loss(evaluation.loss)),
        pair("Calibration error", format.percent(evaluation.calibration_error)),
        pair("Images", format.whole(evaluation.images)));
}

/* ---- examples ---- */

function example(evaluation, image, wide) {
    const truth = oc.className(evaluation, image.true), guess = oc.className(evaluation, image.guess);
    const alt = `${image.name}: true ${truth}, guessed ${guess} with ${format.percent(image.probability, 0)}`;
    const picture = image.image && image.image.startsWith("data:image/")
        ? el("img", {src: image.image, alt, width: image.width, height: image.height})
        : el("span", {class: "no-image", role: "img", "aria-label": `${alt}; the image is not in this file`},
              image.name);
    if (!wide) return el("li", null, picture);
    return el("li", null,
        el("figure", null, picture,
            el("figcaption", null, el("span", {class: "guess"}, format.shortName(guess, 40)), " ",
                el("span", {class: "number"}, format.percent(image.probability, 0)),
                el("span", {class: "truth"}, `label: ${format.shortName(truth, 40)}`))));
}

function pairs(evaluation) {
    if (!evaluation.pairs.length) return el("p", null, "No image was guessed wrong.");
    const direction = (images, from, to) =>
        (images > 0 ? `${images}\u00d7 ${format.shortName(oc.className(evaluation, from), 24)} taken for ${
                          format.shortName(oc.className(evaluation, to), 24)}`
                    : null);
    return el("ol", {class: "pairs"},
        evaluation.pairs.map(
            (pair) => el("li", null,
                el("h4", null, format.shortName(oc.className(evaluation, pair.a), 40),
                    el("span", {class: "and"}, " and "), format.shortName(oc.className(evaluation, pair.b), 40)),
                el("p", null,
                    [direction(pair.a_as_b, pair.a, pair.b), direction(pair.b_as_a, pair.b, pair.a)]
                        .filter(Boolean)
                        .join(", ")),
                pair.examples.length
                    ? el("ul", {class: "images"}, pair.examples.map((one) => example(evaluation, one, false)))
                    : null)));
}

function wrong(evaluation) {
    if (!evaluation.wrong.length) return el("p", null, "No image was guessed wrong.");
    return el("ul", {class: "images captioned"}, evaluation.wrong.map((one) => example(evaluation, one, true)));
}

/* ---- classes ---- */

function bar(hits, tries) {
    const width = 120, [low, high] = format.wilson(hits, tries);
    return svg("svg", {class: "bar", width, height: 14, viewBox: `0 0 ${width} 14`, "aria-hidden": "true"},
        svg("rect", {class: "all", x: 0, y: 3, width, height: 8}),
        svg("rect", {x: 0, y: 3, width: (width * hits) / tries, height: 8}),
        low === null ? null : svg("line", {x1: width * low, y1: 7, x2: width * high, y2: 7}));
}

function classTable(evaluation, title, places) {
    return el("div", null, el("h4", null, title),
        oc.scroller(`${title}, table`,
            oc.table(title, ["Class", "Right", "Share", "95\u202f%"], places.map((place) => {
                const hits = evaluation.right[place], tries = evaluation.count[place];
                const [low, high] = format.wilson(hits, tries);
                return [
                    el("th", {scope: "row", title: `${evaluation.classes[place]}: ${oc.className(evaluation, place)}`},
                        format.shortName(oc.className(evaluation, place), 30)),
                    el("td", {class: "number"}, `${hits} of ${tries}`),
                    el("td", {class: "number"}, format.percent(hits / tries, 0), " ", bar(hits, tries)),
                    el("td", {class: "number soft"},
                        low === null ? format.none : `${Math.round(100 * low)}\u2013${Math.round(100 * high)}`)
                ];
            }),
                {class: "classes"})));
}

function classes(evaluation) {
    const seen = evaluation.classes.map((_, place) => place).filter((place) => evaluation.count[place] > 0);
    const share = (place) => evaluation.right[place] / evaluation.count[place];
    const sorted =
        seen.slice().sort((a, b) => share(b) - share(a) || evaluation.count[b] - evaluation.count[a] || a - b);
    const absent = evaluation.classes.length - seen.length;
    const note = absent > 0
        ? el("p", {class: "about"}, `${format.count(absent, "class has", "classes have")} no validation image.`)
        : null;
    if (sorted.length <= 20)
        return [el("div", {class: "columns"}, classTable(evaluation, "All classes", sorted)), note];
    return [
        el("div", {class: "columns"}, classTable(evaluation, "Best", sorted.slice(0, 10)),
            classTable(evaluation, "Worst", sorted.slice(-10).reverse())),
        note
    ];
}

/* ---- calibration ---- */

function reliability(evaluation) {
    const bins = evaluation.reliability;
    const range = (bin) => `${Math.round(100 * bin.low)}\u2013${Math.round(100 * bin.high)}\u202f%`;
    const middle = (bin) => (bin.low + bin.high) / 2;
    const full = bins.filter((bin) => bin.images > 0);
    const share = (value) => `${Math.round(100 * value)}\u202f%`;
    const scale = (title) =>
        oc.plot.axis(title, share, {type: "linear", min: 0, max: 1, offset: false, ticks: {stepSize: 0.2}});
    const table = () => oc.table("Calibration", ["Probability", "Images", "Mean probability", "Right"],
        bins.map((bin) => [range(bin), format.whole(bin.images), format.percent(bin.confidence),
                     format.percent(bin.accuracy)]),
        {class: "numbers"});
    const bars = (data, colour) => ({
        type: "bar",
        data,
        backgroundColor: `${colour}66`,
        borderColor: colour,
        barPercentage: 0.94,
        categoryPercentage: 1,
        grouped: false,
        order: 2,
        borderWidth: {top: 2},
        borderSkipped: false
    });
    const diagram = oc.figure({
        title: "Reliability",
        size: "square",
        keys: false,
        about: "How often it is right, by the probability it gives its guess. On the line it would be as sure as it " +
            "ought to be; below, it is over-confident. Expected calibration error " +
            `${format.percent(evaluation.calibration_error)}.`,
        config: () => ({
            type: "bar",
            data: {
                datasets: [
                    {
                        type: "line",
                        data: [{x: 0, y: 0}, {x: 1, y: 1}],
                        borderColor: oc.palette().ink,
                        borderDash: [4, 4],
                        borderWidth: 1.5,
                        pointRadius: 0,
                        pointHitRadius: 0,
                        order: 1
                    },
                    bars(bins.map((bin) => ({x: middle(bin), y: bin.accuracy, bin})), oc.palette().accent),
                ]
            },
            options: {
                animation: false,
                maintainAspectRatio: false,
                parsing: true,
                interaction: {mode: "x", intersect: false},
                scales: {x: scale("Probability of the guess"), y: scale("Right")},
                plugins: {
                    legend: {display: false},
                    tooltip: oc.plot.tooltip({
                        title: (items) => (items.length ? range(items[0].raw.bin) : ""),
                        label: ({raw: {bin}}) => [`right ${format.percent(bin.accuracy)}`,
                            `mean probability ${format.percent(bin.confidence)}`,
                            format.count(bin.images, "image", "images")],
                        labelColor: () =>
                            ({borderColor: oc.palette().accent, backgroundColor: oc.palette().accent, borderWidth: 0}),
                    })
                },
            },
        }),
        summary: () =>
            `Reliability diagram, expected calibration error ${format.percent(evaluation.calibration_error)}. ` +
            format.list(
                full.map((bin) => `at ${format.percent(bin.confidence, 0)} right ${format.percent(bin.accuracy, 0)}`),
                15),
        table,
    });
    const counts = oc.figure({
        title: "How sure it is",
        size: "square",
        about: "Images by the probability of the guess.",
        config: () => ({
            type: "bar",
            data: {datasets: [bars(bins.map((bin) => ({x: middle(bin), y: bin.images, bin})), oc.palette().soft)]},
            options: {
                animation: false,
                maintainAspectRatio: false,
                parsing: true,
                interaction: {mode: "x", intersect: false},
                scales: {
                    x: scale("Probability of the guess"),
                    y: oc.plot.axis("Images", (value) => format.whole(value), {beginAtZero: true})
                },
                plugins: {
                    legend: {display: false},
                    tooltip: oc.plot.tooltip({
                        title: (items) => (items.length ? range(items[0].raw.bin) : ""),
                        label: ({raw: {bin}}) => ` ${format.count(bin.images, "image", "images")}`,
                    })
                },
            },
        }),
        summary: () => `Images by the probability of the guess: ${
            format.list(full.map((bin) => `${range(bin)} ${bin.images}`), 15)}.`,
        table,
    });
    [diagram, counts].forEach((figure) => {
        /* Of the line under the bars nothing is to be told. */
        const original = figure.update;
        figure.update = () => {
            original();
            figure.chart().options.plugins.tooltip.filter = (item) => Boolean(item.raw.bin);
            figure.chart().update("none");
        };
    });
    return [diagram, counts];
}

/* ---- the section ---- */

let choice, body, drawn = null, shown = [];

function make(run, evaluation) {
    const matrix = oc.confusion(evaluation);
    shown.forEach(oc.dropFigure);
    shown = reliability(evaluation);
    shown.forEach(oc.keepForPrint);
    const part = (title, ...content) => el("div", {class: "part-of"}, el("h3", null, title), content);
    oc.replace(body, figures(evaluation), matrix.node, part("Most confused pairs", pairs(evaluation)),
        part("Best and worst classes", classes(evaluation)),
        el("div", {class: "charts"}, shown.map((figure) => figure.node)),
        part("Most confidently wrong",
            el("p", {class: "about"}, "The guess and its probability, and what the image shows by its label."),
            wrong(evaluation)));
    matrix.draw();
    shown.forEach((figure) => figure.update());
    return matrix;
}

oc.evaluation = {
    id: "weights",
    title: "Best weights",
    here: () => oc.runs().length > 0,
    make() {
        choice = el("div");
        body = el("div", {class: "evaluation"});
        return [choice, body];
    },
    update() {
        const run = oc.selected();
        /* What is open and focused stays, unless there is something new. */
        const names = JSON.stringify([run.name, oc.runs().map((one) => one.name)]);
        if (choice.dataset.names !== names) oc.replace(choice, oc.runChoice());
        choice.dataset.names = names;
        const text = JSON.stringify([run.name, run.evaluation, run.evaluation_missing]);
        if (drawn && drawn.text === text) return;
        if (!run.evaluation) {
            shown.forEach(oc.dropFigure);
            shown = [];
            oc.replace(body,
                el("p", {class: "missing"},
                    `There are no figures of the weights of ${run.name}: ${
                        run.evaluation_missing || "they have not been evaluated"}.`));
            drawn = {text, matrix: null};
            return;
        }
        drawn = {text, matrix: make(run, run.evaluation)};
    },
    restyle() {
        if (drawn && drawn.matrix) drawn.matrix.draw();
        shown.forEach((figure) => figure.update());
    },
    figures: () => shown,
};
})(window.ocelli);
