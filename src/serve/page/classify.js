/* The page that classifies: an image is dropped, pasted, chosen or photographed, sent as it is, and the guesses shown.
 * What the server says is only ever put in as text. */
"use strict";
(function(oc) {
const {el, byId, format} = oc;
let facts = {};
let turn = 0;    /* of images: an answer to an earlier one is not shown */
let file = null; /* the one that is shown */
let url = null;  /* of its preview */
let pressed = null;

function problem(text) {
    const node = byId("problem");
    node.hidden = !text;
    node.textContent = text || "";
}

const say = (text) => { byId("state").textContent = text; };

/* ---- the image ---- */

/* As large as there is room for, and small ones larger than they are. */
function fit() {
    const image = byId("image");
    if (!image.naturalWidth) return;
    const room = byId("figure").clientWidth - 2;
    const scale = Math.min(room / image.naturalWidth, 0.62 * window.innerHeight / image.naturalHeight,
        Math.max(1, 320 / Math.max(image.naturalWidth, image.naturalHeight)));
    image.style.width = `${Math.max(1, Math.floor(scale * image.naturalWidth))}px`;
}

function unveil() {
    byId("veil").hidden = true;
    byId("where").textContent = "";
    if (pressed) pressed.setAttribute("aria-pressed", "false");
    pressed = null;
}

function show(chosen) {
    const image = byId("image");
    if (url) URL.revokeObjectURL(url);
    url = URL.createObjectURL(chosen);
    byId("bench").classList.remove("empty");
    byId("figure").hidden = false;
    byId("frame").hidden = false;
    byId("caption").textContent = chosen.name || "pasted image";
    image.style.width = "";
    image.onload = fit;
    /* Not every image that the model can be shown is one that browsers show. */
    image.onerror = () => {
        byId("frame").hidden = true;
        byId("caption").textContent = `${chosen.name || "pasted image"} (this browser cannot show it)`;
    };
    image.alt = `The image to classify: ${chosen.name || "pasted"}`;
    image.src = url;
}

/* ---- asking ---- */

async function ask(path, chosen) {
    const type = /^image\//.test(chosen.type) ? chosen.type : "application/octet-stream";
    const answer = await fetch(path, {method: "POST", body: chosen, headers: {"Content-Type": type}});
    let json = null;
    try {
        json = await answer.json();
    } catch (none) {
        json = null;
    }
    if (!answer.ok || !json)
        throw new Error(json && json.error ? json.error.message : `the server answered ${answer.status}`);
    return json;
}

const reason = (trouble) => trouble instanceof TypeError ? "The server cannot be reached." : trouble.message;

async function classify(chosen) {
    const own = ++turn;
    file = chosen;
    unveil();
    problem(null);
    oc.replace(byId("guesses"));
    show(chosen);
    if (chosen.size > facts.body) {
        say("");
        problem(`The file has ${format.bytes(chosen.size)}; this server takes up to ${format.bytes(facts.body)}.`);
        return;
    }
    say("Looking at it\u2026");
    try {
        const answer = await ask(`v1/classify?top_k=${Math.min(5, facts.classes)}`, chosen);
        if (own !== turn) return;
        guesses(answer.images[0].predictions);
        const best = answer.images[0].predictions[0];
        say(`Most likely ${best.name}, ${format.percent(best.probability)}. Took ${
            format.whole(answer.milliseconds)}\u202fms.`);
    } catch (trouble) {
        if (own !== turn) return;
        say("");
        problem(reason(trouble));
    }
}

async function see(guess, button) {
    const own = turn;
    if (pressed === button) {
        unveil();
        return;
    }
    unveil();
    pressed = button;
    button.setAttribute("aria-pressed", "true");
    byId("where").textContent = "Covering one part after the other\u2026";
    try {
        const map = await ask(`v1/saliency?class=${guess.index}`, file);
        if (own !== turn || pressed !== button) return;
        const image = byId("image"), veil = byId("veil");
        veil.width = Math.max(1, Math.min(1024, image.clientWidth));
        veil.height = Math.max(1, Math.min(1024, image.clientHeight));
        veil.hidden = !oc.veil.shows(map);
        if (!veil.hidden) oc.veil.draw(veil, map);
        byId("where").textContent = oc.veil.describe(map, format.shortName(guess.name, 60));
    } catch (trouble) {
        if (own !== turn || pressed !== button) return;
        unveil();
        problem(reason(trouble));
    }
}

function guesses(predictions) {
    oc.replace(byId("guesses"), predictions.map((guess) => {
        const bar = el("span");
        const button = el("button",
            {type: "button", "aria-pressed": "false", "aria-label": `Where is it seen: ${guess.name}`}, "Where?");
        button.addEventListener("click", () => see(guess, button));
        bar.style.width = `${100 * guess.probability}%`;
        return el("li", null,
            el("div", {class: "guess", "data-class": guess.class},
                el("span", {class: "name"}, guess.name,
                    guess.class !== guess.name ? el("span", {class: "code"}, guess.class) : null),
                el("span", {class: "share"}, format.percent(guess.probability, 2)), button,
                el("span", {class: "bar", "aria-hidden": "true"}, bar)));
    }));
}

/* ---- how an image comes ---- */

function firstFile(transfer) { return Array.from(transfer ? transfer.files : [])[0] || null; }

function listen() {
    for (const id of ["file", "camera"]) {
        byId(id).addEventListener("change", () => {
            if (byId(id).files[0]) classify(byId(id).files[0]);
            byId(id).value = "";
        });
    }
    document.addEventListener("paste", (event) => {
        const pasted = firstFile(event.clipboardData);
        if (!pasted) {
            problem("There is no image in what was pasted.");
            return;
        }
        event.preventDefault();
        classify(pasted);
    });
    /* Anywhere on the page is near enough. */
    let depth = 0;
    document.addEventListener("dragenter", (event) => {
        event.preventDefault();
        depth++;
        document.body.classList.add("over");
    });
    document.addEventListener("dragover", (event) => event.preventDefault());
    document.addEventListener("dragleave", () => {
        depth = Math.max(0, depth - 1);
        if (depth === 0) document.body.classList.remove("over");
    });
    document.addEventListener("drop", (event) => {
        event.preventDefault();
        depth = 0;
        document.body.classList.remove("over");
        const dropped = firstFile(event.dataTransfer);
        if (dropped)
            classify(dropped);
        else
            problem("There is no image file in what was dropped.");
    });
    window.addEventListener("resize", fit);
}

function themeButton() {
    const button = byId("theme");
    const name = () => { button.textContent = oc.theme.current() === "dark" ? "Light" : "Dark"; };
    button.hidden = false;
    button.setAttribute("aria-label", "Change between light and dark");
    button.addEventListener("click", oc.theme.toggle);
    oc.theme.onChange(name);
    name();
}

facts = JSON.parse(byId("data").textContent);
themeButton();
byId("runs").hidden = !facts.runs;
byId("bench").hidden = false;
/* What has a camera at hand is touched. */
byId("camera-way").hidden = !window.matchMedia("(pointer: coarse)").matches;
byId("end").textContent = `${facts.model}, ${
    format.count(facts.classes, "class", "classes")}. Images are sent to this server only, and not kept.`;
say("Nothing yet.");
listen();
})(window.ocelli);
