/* Where a model sees what it says: a veil over the image that is thin where covering it makes the class less probable,
 * and thick where that changes nothing. Told by brightness, so that it needs no sense of colour; and in words. */
"use strict";
(function(oc) {
const thickest = 0.78;
/* What changes a probability by less is not worth showing. */
const least = 0.005;

function largest(values) { return Math.max(...values.flat()); }

/* Draws the map over the whole canvas; the square that the model sees need not be the whole image. */
function draw(canvas, map) {
    const rows = map.values.length, columns = map.values[0].length;
    const most = largest(map.values);
    const small = document.createElement("canvas");
    small.width = columns;
    small.height = rows;
    const pen = small.getContext("2d");
    const cells = pen.createImageData(columns, rows);
    map.values.flat().forEach((value, place) => {
        const share = Math.min(1, Math.max(0, value / most));
        cells.data[4 * place + 3] = Math.round(255 * thickest * (1 - share));
    });
    pen.putImageData(cells, 0, 0);
    const {width, height} = canvas;
    const {left, top} = map.square;
    const view = canvas.getContext("2d");
    view.clearRect(0, 0, width, height);
    view.fillStyle = `rgba(0, 0, 0, ${thickest})`;
    view.fillRect(0, 0, width, height);
    const box = [left * width, top * height, map.square.width * width, map.square.height * height];
    view.clearRect(...box);
    view.imageSmoothingEnabled = true;
    view.imageSmoothingQuality = "high";
    view.drawImage(small, ...box);
}

/* "at the top left", "in the middle". */
function place(values) {
    const rows = values.length, columns = values[0].length;
    let sum = 0, x = 0, y = 0;
    values.forEach((row, r) => row.forEach((value, c) => {
        const weight = Math.max(0, value) ** 2;
        sum += weight;
        x += weight * (c + 0.5) / columns;
        y += weight * (r + 0.5) / rows;
    }));
    if (!(sum > 0)) return "nowhere";
    const down = y / sum < 0.4 ? "top" : y / sum > 0.6 ? "bottom" : "";
    const across = x / sum < 0.4 ? "left" : x / sum > 0.6 ? "right" : "";
    if (!down && !across) return "in the middle";
    if (!down) return `on the ${across}`;
    return `at the ${[down, across].filter(Boolean).join(" ")}`;
}

oc.veil = {
    draw,
    shows: (map) => largest(map.values) >= least,
    describe(map, name) {
        const most = largest(map.values);
        if (most < least) return `No single place decides: whatever is covered, “${name}” stays about as probable.`;
        return `“${name}” is seen mostly ${place(map.values)}: covering that takes away up to ${
                   oc.format.percent(most)}.` +
            " The darker a place, the less it matters.";
    },
};
})(window.ocelli);
