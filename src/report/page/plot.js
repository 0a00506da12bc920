/* Charts by Chart.js, and what they need to be read without a mouse: arrow keys, a summary, a table. */
"use strict";
(function(oc) {
const {el, format} = oc;
const {Chart} = window;

Chart.defaults.animation = false;
Chart.defaults.maintainAspectRatio = false;
Chart.defaults.plugins.legend.display = false;

/* How many runs a tooltip names. */
const most = 12;

/* Of every line the point nearest to the pointer's x: runs differ in length, and some in their points. */
function nearest(chart, x) {
    const scale = chart.scales.x;
    const items = [];
    let closest = Infinity, at = null;
    chart.data.datasets.forEach((dataset, datasetIndex) => {
        if (dataset.quiet) return;
        if (dataset.everywhere) return void items.push({datasetIndex, index: 0, away: 0});
        dataset.data.forEach((point, index) => {
            if (!format.known(point.y)) return;
            const away = Math.abs(scale.getPixelForValue(point.x) - x);
            if (away < closest) [closest, at] = [away, point.x];
            const kept = items[items.length - 1];
            if (!kept || kept.datasetIndex !== datasetIndex)
                items.push({datasetIndex, index, away});
            else if (away < kept.away)
                [kept.index, kept.away] = [index, away];
        });
    });
    /* Lines that have nothing near the place that is shown say nothing about it. */
    const slack = Math.max(4, (scale.right - scale.left) / 60);
    return {at, items: items.filter((item) => item.away <= closest + slack)};
}

function itemsAt(chart, x) {
    const {at, items} = nearest(chart, x);
    const sign = chart.options.better === "low" ? 1 : -1;
    const value = (item) => chart.data.datasets[item.datasetIndex].data[item.index].y;
    items.sort((a, b) => sign * (value(a) - value(b)));
    chart.unnamed = Math.max(0, items.length - most);
    chart.at = at;
    return items.slice(0, most)
        .map(
            ({datasetIndex, index}) => ({datasetIndex, index, element: chart.getDatasetMeta(datasetIndex).data[index]}))
        .filter((item) => item.element);
}

Chart.Interaction.modes.place = (chart, event) => {
    const position = Chart.helpers.getRelativePosition(event, chart);
    const {left, right, top, bottom} = chart.chartArea;
    if (position.x < left || position.x > right || position.y < top || position.y > bottom) return [];
    return itemsAt(chart, position.x);
};

/* A line through the place that is looked at, in all charts that have the same axis. */
const linked = new Set();
let place = null;

function lookAt(chart, at) {
    const value = at === undefined ? null : at;
    if (place === value) return;
    place = value;
    linked.forEach((other) => other !== chart && other.draw());
}

const crosshair = {
    id: "crosshair",
    afterEvent(chart, {event}) {
        if (linked.has(chart))
            lookAt(chart, event.type === "mouseout" || !chart.getActiveElements().length ? null : chart.at);
    },
    beforeDatasetsDraw(chart) {
        if (!linked.has(chart) || place === null) return;
        const {left, right, top, bottom} = chart.chartArea;
        const x = chart.scales.x.getPixelForValue(place);
        if (!(x >= left && x <= right)) return;
        const {ctx} = chart;
        ctx.save();
        ctx.strokeStyle = oc.palette().soft;
        ctx.lineWidth = 1;
        ctx.setLineDash([2, 2]);
        ctx.beginPath();
        ctx.moveTo(x, top);
        ctx.lineTo(x, bottom);
        ctx.stroke();
        ctx.restore();
    },
};

function axis(title, tick, more) {
    const {soft, line} = oc.palette();
    return Object.assign({
        title: {display: Boolean(title), text: title, color: soft},
        grid: {color: line, borderColor: soft, tickColor: line},
    },
        more,
        {ticks: Object.assign({color: soft, callback: tick, maxRotation: 0, autoSkipPadding: 12}, more && more.ticks)});
}

/* Beside the place that is looked at, not upon it. */
Chart.Tooltip.positioners.beside = function(items, position) {
    const {chart} = this;
    const {left, right, top, bottom} = chart.chartArea;
    if (!items.length) return false;
    const x = format.known(chart.at) ? chart.scales.x.getPixelForValue(chart.at) : position.x;
    return {
        x,
        y: chart.options.indexAxis === "y" ? items[0].element.y : (top + bottom) / 2,
        xAlign: x > (left + right) / 2 ? "right" : "left",
        yAlign: "center"
    };
};

function tooltip(callbacks) {
    const {card, ink, line} = oc.palette();
    return {
        backgroundColor: card,
        borderColor: line,
        borderWidth: 1,
        titleColor: ink,
        bodyColor: ink,
        footerColor: ink,
        padding: 10,
        cornerRadius: 4,
        boxWidth: 8,
        boxHeight: 8,
        boxPadding: 5,
        usePointStyle: true,
        caretSize: 0,
        caretPadding: 14,
        position: "beside",
        footerFont: {weight: "normal"},
        callbacks: Object.assign({labelPointStyle: () => ({pointStyle: "rect", rotation: 0})}, callbacks),
    };
}

function fonts() {
    const style = getComputedStyle(document.body);
    Chart.defaults.font.family = style.fontFamily;
    Chart.defaults.font.size = Math.round(0.78 * parseFloat(style.fontSize));
}

/* Arrow keys go from point to point. */
function onKey(chart, event) {
    const xs = Array
                   .from(new Set(
                       chart.data.datasets.filter((dataset) => !dataset.quiet && !dataset.everywhere)
                           .flatMap((dataset) =>
                                        dataset.data.filter((point) => format.known(point.y)).map((point) => point.x))))
                   .sort((a, b) => a - b);
    if (!xs.length) return;
    const here = chart.at === undefined || chart.at === null ? -1 : xs.findIndex((x) => x >= chart.at - 1e-9);
    const last = xs.length - 1;
    const to = {
        ArrowLeft: here < 0 ? last : here - 1,
        ArrowRight: here < 0 ? 0 : here + 1,
        PageUp: here - 10,
        PageDown: here + 10,
        Home: 0,
        End: last
    }[event.key];
    if (event.key === "Escape") return leave(chart);
    if (to === undefined) return;
    event.preventDefault();
    show(chart, xs[Math.min(Math.max(to, 0), last)]);
}

function show(chart, x) {
    const items = itemsAt(chart, chart.scales.x.getPixelForValue(x));
    const {top, bottom} = chart.chartArea;
    chart.setActiveElements(items);
    chart.tooltip.setActiveElements(items, {x: chart.scales.x.getPixelForValue(x), y: (top + bottom) / 2});
    chart.update("none");
    lookAt(null, chart.at);
    const title = chart.tooltip.title.join(" ");
    const lines = chart.tooltip.body.flatMap((part) => part.lines);
    oc.say([title, ...lines, ...chart.tooltip.footer].join("; "));
}

function leave(chart) {
    chart.setActiveElements([]);
    chart.tooltip.setActiveElements([], {x: 0, y: 0});
    chart.at = null;
    chart.update("none");
    lookAt(chart, null);
}

/* A figure: heading, canvas, words below it, table.
 *   title, about: texts; level: of the heading
 *   config(): Chart.js configuration, made anew for every update
 *   summary(): what the chart shows, in words
 *   notes(): texts below the chart (what is missing and why)
 *   table(): what the chart shows, as a node
 *   linked: shares its x with other charts;  keys: arrow keys read values */
oc.figure = (options) => {
    const canvas = el("canvas", {role: "img"});
    const box = el("div", {class: `plot ${options.size || ""}`}, canvas);
    const notes = el("div", {class: "chart-notes"});
    const details = oc.lazyDetails("Show as table", () => oc.scroller(`${options.title}, as a table`, options.table()));
    const heading = oc.newId("figure");
    const node = el("figure", {class: "chart", "aria-labelledby": heading}, el("h3", {id: heading}, options.title),
        options.about ? el("p", {class: "about"}, options.about) : null, box, notes, details);
    let chart = null;
    if (options.keys) {
        box.setAttribute("tabindex", "0");
        box.setAttribute("role", "group");
        box.setAttribute("aria-label", `${options.title}: the left and right arrow keys read its values`);
        box.addEventListener("keydown", (event) => chart && onKey(chart, event));
        box.addEventListener("blur", () => chart && leave(chart));
    }
    const figure = {
        node,
        canvas,
        box,
        size: options.size,
        chart: () => chart,
        update() {
            fonts();
            const config = options.config();
            if (options.height) box.style.height = options.height();
            if (!chart) {
                config.plugins = (config.plugins || []).concat(options.linked ? [crosshair] : []);
                chart = new Chart(canvas, config);
                if (options.linked) linked.add(chart);
                canvas.addEventListener("mouseleave", () => options.linked && lookAt(null, null));
            } else {
                chart.data.datasets = config.data.datasets;
                chart.data.labels = config.data.labels;
                chart.options = config.options;
                chart.resize();
                chart.update("none");
            }
            canvas.setAttribute("aria-label", options.summary());
            oc.replace(notes, (options.notes ? options.notes() : []).map((note) => el("p", null, note)));
            details.refresh();
        },
    };
    return figure;
};

/* Ticks of an axis of times that ends at most. */
function seconds(most) {
    let unit = [1, "s"];
    if (most >= 60) unit = [60, "min"];
    if (most >= 3600) unit = [3600, "h"];
    return (value) => (value === 0 ? "0" : `${Number((value / unit[0]).toFixed(2))}\u202f${unit[1]}`);
}

oc.plot = {
    axis,
    tooltip,
    seconds
};

/* Paper has a width of its own, and finer dots: charts are drawn again for it. */
const figures = [];
oc.keepForPrint = (figure) => figures.push(figure);
oc.dropFigure = (figure) => {
    figures.splice(figures.indexOf(figure), 1);
    if (figure.chart()) figure.chart().destroy();
};

function printing(on) {
    oc.theme.print(on);
    for (const figure of figures) {
        const chart = figure.chart();
        if (!chart) continue;
        chart.options.devicePixelRatio = on ? 2 : undefined;
        if (on) {
            const bars = 40 + 22 * (chart.data.labels || []).length;
            const [width, height] = {first: [680, 240], bars: [680, Math.max(90, bars)]}[figure.size] || [330, 190];
            chart.resize(width, height);
        } else {
            chart.resize();
        }
    }
}
window.addEventListener("beforeprint", () => printing(true));
window.addEventListener("afterprint", () => printing(false));
})(window.ocelli);
