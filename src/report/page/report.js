/* The report: puts the parts together, and keeps them up to date where the page is live. */
"use strict";
(function(oc) {
const {el, state} = oc;

/* In the order of the page. The two in the middle share the controls beside them. */
const parts = [oc.table_of_runs, oc.curves, oc.time, oc.ensembles, oc.evaluation, oc.again];
const beside = [oc.curves, oc.time];
const made = new Map();
let besideRail = null;

function section(part) {
    if (!made.has(part)) {
        made.set(part,
            el("section", {id: part.id, "aria-labelledby": `${part.id}-title`},
                el("h2", {id: `${part.id}-title`}, part.title), part.make()));
    }
    return made.get(part);
}

/* Shows the parts for which there is something, and hides the others. */
function arrange() {
    const main = oc.byId("report");
    if (!besideRail) {
        oc.replace(main, el("div", {class: "head"}, oc.summary.make()));
        const column = el("div", {class: "beside"}, beside.map(section));
        besideRail = el("div", {class: "with-rail"}, oc.rail.make(), column);
        parts.forEach((part) => {
            if (part === oc.curves)
                main.append(besideRail);
            else if (!beside.includes(part))
                main.append(section(part));
        });
    }
    const here = parts.filter((part) => part.here());
    parts.forEach((part) => { section(part).hidden = !here.includes(part); });
    besideRail.hidden = !beside.some((part) => here.includes(part));
    const nav = oc.byId("contents");
    const wanted = here.map((part) => part.id).join(" ");
    if (nav.dataset.parts !== wanted)
        oc.replace(nav, el("ul", null, here.map((part) => el("li", null, el("a", {href: `#${part.id}`}, part.title)))));
    nav.dataset.parts = wanted;
    nav.hidden = here.length === 0;
    return here;
}

function update() {
    oc.arrange();
    const here = arrange();
    oc.summary.update();
    if (!besideRail.hidden) oc.rail.update();
    here.forEach((part) => part.update());
    const {ocelli = {}} = state.data;
    oc.byId("end").textContent =
        ["Made by Ocelli", ocelli.version, ocelli.commit ? `(${ocelli.commit})` : null].filter(Boolean).join(" ");
    const classify = oc.byId("classify");
    classify.hidden = !(state.data.live && state.data.classify);
}

const isHere = (part) => part.here() && !section(part).hidden;
const updateIf = (...which) => which.filter(isHere).forEach((part) => part.update());
/* A slider tells of every place it passes: charts are drawn once a frame. */
const wanted = new Set();
function soon(...which) {
    if (!wanted.size)
        requestAnimationFrame(() => {
            const now = Array.from(wanted);
            wanted.clear();
            updateIf(...now);
        });
    which.forEach((part) => wanted.add(part));
}
oc.on("shown", () => {
    oc.rail.update();
    soon(oc.curves, oc.time);
});
oc.on("view", () => soon(oc.curves));
oc.on("selected", () => updateIf(oc.evaluation, oc.again));
oc.on("theme", () => {
    oc.byId("theme").textContent = oc.theme.current() === "dark" ? "Light" : "Dark";
    if (!state.data) return;
    oc.arrange();
    if (!besideRail.hidden) oc.rail.update();
    updateIf(oc.curves, oc.time);
    if (isHere(oc.evaluation)) oc.evaluation.restyle();
});

function themeButton() {
    const button = oc.byId("theme");
    button.hidden = false;
    button.textContent = oc.theme.current() === "dark" ? "Light" : "Dark";
    button.setAttribute("aria-label", "Change between light and dark");
    button.addEventListener("click", oc.theme.toggle);
}

/* ---- live ---- */

function status(text, good) {
    const node = oc.byId("live");
    node.hidden = false;
    node.textContent = text;
    node.className = good ? "good" : "waiting";
}

/* The server says when there is something new; what, is fetched: one at a time, and again if it changed meanwhile. */
function follow() {
    let busy = false, again = false;
    const refresh = async () => {
        if (busy) {
            again = true;
            return;
        }
        busy = true;
        try {
            const answer = await fetch("v1/runs", {cache: "no-store"});
            if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
            const data = await answer.json();
            state.data = Object.assign({live: true, classify: state.data.classify}, data);
            update();
            status("connected", true);
        } catch (problem) {
            status("reconnecting", false);
        }
        busy = false;
        if (again) {
            again = false;
            refresh();
        }
    };
    const events = new EventSource("events");
    status("connecting", false);
    /* What changed before, or while the connection was lost, was told to nobody. */
    events.addEventListener("open", () => {
        status("connected", true);
        refresh();
    });
    events.addEventListener("error", () => status("reconnecting", false));
    events.addEventListener("runs", refresh);
}

function start() {
    themeButton();
    try {
        state.data = JSON.parse(oc.byId("data").textContent);
    } catch (problem) {
        oc.replace(oc.byId("report"), el("h1", null, "This report cannot be read"),
            el("p", null, "Its numbers are not whole: the file may have been cut off."));
        return;
    }
    state.data.runs = state.data.runs || [];
    update();
    if (state.data.live && /^https?:$/.test(window.location.protocol)) follow();
}

start();
})(window.ocelli);
