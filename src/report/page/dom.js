/* Elements are made here and nowhere else. What is text becomes a text node, never markup: a class or a run may be
 * named as it likes. */
"use strict";
(function(oc) {
function fill(node, attributes, children) {
    for (const [key, value] of Object.entries(attributes || {})) {
        if (value === null || value === undefined || value === false) continue;
        if (key === "on") {
            for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
        } else {
            node.setAttribute(key, value === true ? "" : String(value));
        }
    }
    append(node, children);
    return node;
}

function append(node, children) {
    for (const child of children) {
        if (child === null || child === undefined || child === false) continue;
        if (Array.isArray(child))
            append(node, child);
        else
            node.append(child instanceof Node ? child : document.createTextNode(String(child)));
    }
}

/* el("p", {class: "note", on: {click: f}}, "text", node, [more, …]); attributes and children that are null are
 * left out. */
oc.el = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);

oc.svg = (tag, attributes, ...children) =>
    fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

oc.replace = (node, ...children) => {
    node.replaceChildren();
    append(node, children);
};

oc.byId = (id) => document.getElementById(id);

let ids = 0;
oc.newId = (stem) => `${stem}-${++ids}`;

/* A table of head (texts or cells) and rows (lists of texts or cells); the first of each row names it. */
oc.table = (caption, head, rows, attributes) => oc.el("table", attributes, oc.el("caption", {class: "unseen"}, caption),
    oc.el("thead", null, oc.el("tr", null, head.map((cell) => oc.el("th", {scope: "col"}, cell)))),
    oc.el("tbody", null,
        rows.map((row) => oc.el("tr", null,
                     row.map((cell, place) => cell instanceof HTMLTableCellElement
                             ? cell
                             : oc.el(place === 0 ? "th" : "td", place === 0 ? {scope: "row"} : null, cell))))));

/* Wide content scrolls in a box of its own, which the keyboard can reach. */
oc.scroller = (label, ...children) =>
    oc.el("div", {class: "scroller", tabindex: "0", role: "region", "aria-label": label}, children);

/* Details whose content is made when they are first opened, and again by the returned node's refresh(). */
oc.lazyDetails = (summary, make) => {
    const body = oc.el("div", {class: "details-body"});
    const node = oc.el("details", null, oc.el("summary", null, summary), body);
    node.refresh = () => {
        if (node.open) oc.replace(body, make());
    };
    node.addEventListener("toggle", node.refresh);
    return node;
};

oc.select = (label, options, value, onChange) => {
    const id = oc.newId("select");
    const node = oc.el("select", {id, on: {change: () => onChange(node.value)}},
        options.map(([key, text]) => oc.el("option", {value: key}, text)));
    node.value = value;
    return oc.el("p", {class: "field"}, oc.el("label", {for: id
    }, label), node);
};

/* What is read to those who do not see. */
oc.say = (text) => { oc.byId("readout").textContent = text; };
})(window.ocelli);
