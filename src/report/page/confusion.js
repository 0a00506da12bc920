/* The confusion matrix: what was taken for what. */
"use strict";
(function(oc) {
const {el, format} = oc;

/* Up to here cells have room for names beside them. */
const named = 30;

function mix([from, to], t) {
    const part = (colour, at) => parseInt(colour.slice(at, at + 2), 16);
    const between = (at) => Math.round(part(from, at) + (part(to, at) - part(from, at)) * t);
    return `#${[1, 3, 5].map((at) => between(at).toString(16).padStart(2, "0")).join("")}`;
}

oc.confusion = (evaluation) => {
    const {order, count} = evaluation;
    const n = order.length;
    const place = new Array(n);
    order.forEach((one, at) => { place[one] = at; });
    /* By places in the order: row true, column guess. */
    const images = new Map();
    evaluation.confusion.forEach(([truth, guess, amount]) => images.set(place[truth] * n + place[guess], amount));
    const at = (row, column) => images.get(row * n + column) || 0;
    const name = (where) => oc.className(evaluation, order[where]);

    const canvas = el("canvas", {role: "img"});
    const box = el("div", {
        class: "matrix",
        tabindex: "0",
        role: "group",
        "aria-label": "Confusion matrix: arrow keys move from cell to cell, Page Up and Page Down by ten rows, " +
            "Home and End along the row, N to the next confusion"
    },
        canvas);
    const text = el("p", {class: "cell-text", role: "status"});
    const detail = el("div", {class: "cell-detail"});
    const picture = document.createElement("canvas");
    let cell = {row: 0, column: 0};
    let cursor = false;
    let layout = null;

    /* ---- drawing ---- */

    function measure() {
        const width = Math.max(160, Math.min(box.clientWidth || 320, 760));
        const labels = n <= named ? Math.min(150, Math.round(width * 0.3)) : 18;
        const top = n <= named ? Math.min(110, labels) : 18;
        /* Few classes need no large cells. */
        const side = Math.max(n, Math.min(72 * n, Math.floor(width - labels - 2)));
        return {
            width: labels + side + 2,
            height: top + side + 2,
            left: labels,
            top,
            side,
            scale: Math.max(2, Math.min(3, window.devicePixelRatio || 1))
        };
    }

    const edge = (index) => Math.round((index * layout.side * layout.scale) / n) / layout.scale;

    /* Few images are seen as well: the root of their share is shown. */
    function colourOf(row, column, amount, all) {
        const {right, wrong} = oc.palette();
        const t = all > 0 ? Math.sqrt(amount / all) : 0;
        return row === column ? mix(right, t) : mix(wrong, 0.15 + 0.85 * t);
    }

    function paint(ctx) {
        const {ink, soft, line, card} = oc.palette();
        const {left, top, side} = layout;
        ctx.fillStyle = card;
        ctx.fillRect(left, top, side, side);
        for (let row = 0; row < n; row++) {
            const all = count[order[row]];
            for (let column = 0; column < n; column++) {
                const amount = at(row, column);
                if (!amount && row !== column) continue;
                ctx.fillStyle = colourOf(row, column, amount, all);
                ctx.fillRect(
                    left + edge(column), top + edge(row), edge(column + 1) - edge(column), edge(row + 1) - edge(row));
            }
        }
        ctx.strokeStyle = line;
        ctx.lineWidth = 1;
        ctx.strokeRect(left - 0.5, top - 0.5, side + 1, side + 1);
        const style = getComputedStyle(document.body);
        const size = Math.min(12, Math.max(9, (0.62 * side) / n));
        ctx.textBaseline = "middle";
        if (n > named) {
            ctx.font = `12px ${style.fontFamily}`;
            ctx.fillStyle = soft;
            ctx.textAlign = "left";
            ctx.fillText("guessed \u2192", left, top / 2);
            ctx.save();
            ctx.translate(left / 2, top);
            ctx.rotate(-Math.PI / 2);
            ctx.textAlign = "right";
            ctx.fillText("\u2190 true", 0, 0);
            ctx.restore();
            return;
        }
        ctx.font = `${size}px ${style.fontFamily}`;
        for (let i = 0; i < n; i++) {
            const middle = (edge(i) + edge(i + 1)) / 2;
            const short = format.shortName(name(i), Math.max(6, Math.floor((left - 8) / (0.55 * size))));
            ctx.fillStyle = ink;
            ctx.textAlign = "right";
            ctx.fillText(short, left - 6, top + middle);
            ctx.save();
            ctx.translate(left + middle, top - 6);
            ctx.rotate(-Math.PI / 2);
            ctx.textAlign = "left";
            ctx.fillText(format.shortName(name(i), Math.max(6, Math.floor((top - 8) / (0.55 * size)))), 0, 0);
            ctx.restore();
        }
        if (side / n < 22) return;
        ctx.textAlign = "center";
        images.forEach((amount, key) => {
            const row = Math.floor(key / n), column = key % n;
            ctx.fillStyle = oc.inkOn(colourOf(row, column, amount, count[order[row]]));
            ctx.fillText(
                String(amount), left + (edge(column) + edge(column + 1)) / 2, top + (edge(row) + edge(row + 1)) / 2);
        });
    }

    function compose() {
        const {left, top, side, scale} = layout;
        const ctx = canvas.getContext("2d");
        ctx.setTransform(1, 0, 0, 1, 0, 0);
        ctx.clearRect(0, 0, canvas.width, canvas.height);
        ctx.drawImage(picture, 0, 0);
        if (!cursor) return;
        ctx.setTransform(scale, 0, 0, scale, 0, 0);
        const x = left + edge(cell.column), y = top + edge(cell.row);
        const w = edge(cell.column + 1) - edge(cell.column), h = edge(cell.row + 1) - edge(cell.row);
        const {ink} = oc.palette();
        ctx.strokeStyle = ink;
        ctx.globalAlpha = 0.55;
        ctx.lineWidth = 1;
        ctx.beginPath();
        for (const [x1, y1, x2, y2] of [[left, y + h / 2, x - 3, y + h / 2],
                 [x + w + 3, y + h / 2, left + side, y + h / 2], [x + w / 2, top, x + w / 2, y - 3],
                 [x + w / 2, y + h + 3, x + w / 2, top + side]]) {
            if (x2 < x1 || y2 < y1) continue;
            ctx.moveTo(x1, y1);
            ctx.lineTo(x2, y2);
        }
        ctx.stroke();
        ctx.globalAlpha = 1;
        ctx.lineWidth = 2;
        ctx.strokeRect(x - 2, y - 2, w + 4, h + 4);
    }

    function draw() {
        layout = measure();
        const {width, height, scale} = layout;
        for (const one of [canvas, picture]) {
            one.width = Math.round(width * scale);
            one.height = Math.round(height * scale);
        }
        canvas.style.width = `${width}px`;
        canvas.style.height = `${height}px`;
        const ctx = picture.getContext("2d");
        ctx.setTransform(scale, 0, 0, scale, 0, 0);
        ctx.clearRect(0, 0, width, height);
        paint(ctx);
        compose();
    }

    /* ---- what a cell says ---- */

    function bars(title, entries, all) {
        const most = 6;
        const shown = entries.slice(0, most), rest = entries.slice(most).reduce((sum, entry) => sum + entry.amount, 0);
        const row = (label, amount, full) => el("li", null, el("span", {class: "name", title: full || label}, label),
            oc.svg("svg", {class: "bar", viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true"},
                oc.svg("rect", {class: "all", width: 100, height: 8}),
                oc.svg("rect", {width: (100 * amount) / Math.max(1, all), height: 8})),
            el("span", {class: "number"}, String(amount)));
        return el("div", null, el("h4", null, title),
            entries.length ? el("ul", {class: "bars"},
                                 shown.map((entry) => row(format.shortName(name(entry.where), 26), entry.amount,
                                               name(entry.where))),
                                 rest ? row(format.count(entries.length - most, "other", "others"), rest) : null)
                           : el("p", {class: "about"}, "None."));
    }

    const collect = (get) => order.map((_, where) => ({where, amount: get(where)}))
                                 .filter((entry) => entry.amount > 0)
                                 .sort((a, b) => b.amount - a.amount);

    function tell() {
        const {row, column} = cell;
        const amount = at(row, column), all = count[order[row]];
        const share = all > 0 ? ` (${format.percent(amount / all, 0)})` : "";
        text.textContent = row === column ? `${name(row)}: ${amount} of ${all}${share} guessed right`
                                          : `True ${name(row)}, guessed ${name(column)}: ${amount} of ${all}${share}`;
        oc.replace(detail,
            bars(`${format.shortName(name(row), 40)} is guessed to be`, collect((where) => at(row, where)), all),
            bars(`Guessed to be ${format.shortName(name(column), 40)}`, collect((where) => at(where, column)),
                collect((where) => at(where, column)).reduce((sum, entry) => sum + entry.amount, 0)));
    }

    function go(row, column) {
        const clip = (value) => Math.min(Math.max(value, 0), n - 1);
        cell = {row: clip(row), column: clip(column)};
        cursor = true;
        compose();
        tell();
    }

    /* ---- pointing ---- */

    function under(event) {
        const bounds = canvas.getBoundingClientRect();
        const ratio = layout.width / bounds.width;
        const x = (event.clientX - bounds.left) * ratio - layout.left,
              y = (event.clientY - bounds.top) * ratio - layout.top;
        if (x < 0 || y < 0 || x >= layout.side || y >= layout.side) return null;
        const exact = {row: Math.floor((y * n) / layout.side), column: Math.floor((x * n) / layout.side)};
        /* A finger is wider than a cell: the fullest nearby is meant. */
        const reach = Math.floor(((event.pointerType === "touch" ? 9 : 1.5) * n) / layout.side);
        let best = exact, most = at(exact.row, exact.column);
        for (let row = exact.row - reach; row <= exact.row + reach; row++)
            for (let column = exact.column - reach; column <= exact.column + reach; column++)
                if (row >= 0 && column >= 0 && row < n && column < n && row !== column && at(row, column) > most) {
                    best = {row, column};
                    most = at(row, column);
                }
        return best;
    }

    function onPointer(event) {
        const found = under(event);
        if (found && (!cursor || found.row !== cell.row || found.column !== cell.column)) go(found.row, found.column);
    }
    canvas.addEventListener("pointermove", onPointer);
    canvas.addEventListener("pointerdown", onPointer);

    /* The next cell off the diagonal that is not empty, row by row. */
    function nextConfusion() {
        const here = cell.row * n + cell.column;
        const keys = Array.from(images.keys()).filter((key) => Math.floor(key / n) !== key % n).sort((a, b) => a - b);
        const key = keys.find((one) => one > here);
        return key === undefined ? keys[0] : key;
    }

    box.addEventListener("keydown", (event) => {
        if (event.ctrlKey || event.altKey || event.metaKey) return;
        const {row, column} = cell;
        let to = {
            ArrowUp: [row - 1, column],
            ArrowDown: [row + 1, column],
            ArrowLeft: [row, column - 1],
            ArrowRight: [row, column + 1],
            PageUp: [row - 10, column],
            PageDown: [row + 10, column],
            Home: [row, 0],
            End: [row, n - 1]
        }[event.key];
        if (event.key === "n" || event.key === "N") {
            const key = nextConfusion();
            if (key !== undefined) to = [Math.floor(key / n), key % n];
        }
        if (!to) return;
        event.preventDefault();
        go(to[0], to[1]);
    });
    box.addEventListener("focus", () => !cursor && go(cell.row, cell.column));

    /* ---- finding a class ---- */

    const listId = oc.newId("classes"), findId = oc.newId("find");
    const find =
        el("input", {type: "search", id: findId, list: listId, placeholder: "Name of a class", autocomplete: "off"});
    const search = () => {
        const wanted = find.value.trim().toLowerCase();
        if (!wanted) return;
        const names = order.map((_, where) => name(where).toLowerCase());
        let where = names.indexOf(wanted);
        if (where < 0) where = names.findIndex((one) => one.startsWith(wanted));
        if (where < 0) where = names.findIndex((one) => one.includes(wanted));
        if (where >= 0)
            go(where, where);
        else
            text.textContent = `No class is named like "${find.value}".`;
    };
    find.addEventListener("change", search);
    find.addEventListener("keydown", (event) => event.key === "Enter" && search());

    const table = () => {
        const rows = Array.from(images.entries())
                         .filter(([key]) => Math.floor(key / n) !== key % n)
                         .sort((a, b) => b[1] - a[1] || a[0] - b[0]);
        const shown = rows.slice(0, 200);
        return [
            rows.length > shown.length
                ? el("p", {class: "about"},
                      `The ${shown.length} most frequent of ${format.whole(rows.length)} confusions.`)
                : null,
            oc.scroller("Confusions, as a table",
                oc.table("Confusions", ["True", "Guessed", "Images", "Of"],
                    shown.map(([key, amount]) => [name(Math.floor(key / n)), name(key % n), String(amount),
                                  String(count[order[Math.floor(key / n)]])]),
                    {class: "words"}))
        ];
    };

    const ramp = (kind, label) => el("span", {class: `ramp ${kind}`}, label);
    const heading = oc.newId("figure");
    const right = evaluation.right.reduce((sum, one) => sum + one, 0);
    const short = (one) => format.shortName(oc.className(evaluation, one));
    const worst = evaluation.pairs.slice(0, 3).map((pair) => `${short(pair.a)} with ${short(pair.b)}`);
    const hits = `${format.whole(right)} of ${format.whole(evaluation.images)} images on the diagonal.`;
    canvas.setAttribute("aria-label",
        `Confusion matrix of ${n} classes: ${hits}${worst.length ? ` Most confused: ${format.list(worst)}.` : ""}`);
    /* Something to read before anyone points at it: the most confused pair. */
    const first = evaluation.pairs[0];
    if (first)
        cell = first.a_as_b >= first.b_as_a ? {row: place[first.a], column: place[first.b]}
                                            : {row: place[first.b], column: place[first.a]};
    tell();

    const node =
        el("figure", {class: "chart confusion", "aria-labelledby": heading}, el("h3", {id: heading}, "Confusion"),
            el("p", {class: "about"},
                "Rows are true classes, columns guesses; classes that are taken for each other lie side by side. " +
                    "Each row is coloured by its share of images: ",
                ramp("right", "right"), " on the diagonal, ", ramp("wrong", "wrong"), " off it, from few to all."),
            el("div", {class: "confusion-body"}, box,
                el("div", {class: "confusion-side"},
                    el("p", {class: "field"},
                        el("label",
                            {for: findId
                            },
                            "Find a class"),
                        find),
                    el("datalist", {id: listId}, order.map((_, where) => el("option", {value: name(where)}))), text,
                    detail)),
            oc.lazyDetails("Show as table", table));
    let width = 0;
    const observer = new ResizeObserver(() => {
        if (box.clientWidth === width) return;
        width = box.clientWidth;
        if (layout) draw();
    });
    observer.observe(box);
    return {node, draw};
};
})(window.ocelli);
