/* What is needed to run it again. */
"use strict";
(function(oc) {
const {el, format} = oc;

/* A text with a button that copies it. From a file the clipboard may be closed: then the text is selected, for the
 * reader to copy. */
function copyable(title, text, size) {
    const pre = el("pre", {tabindex: "0", role: "region", "aria-label": title, class: size}, el("code", null, text));
    const button = el("button", {type: "button", class: "copy", "aria-label": `Copy: ${title}`}, "Copy");
    const say = (word) => {
        button.textContent = word;
        oc.say(word);
        window.setTimeout(() => { button.textContent = "Copy"; }, 2000);
    };
    const select = () => {
        const range = document.createRange();
        range.selectNodeContents(pre);
        const selection = window.getSelection();
        selection.removeAllRanges();
        selection.addRange(range);
        say("Selected");
    };
    button.addEventListener("click", () => {
        if (navigator.clipboard && navigator.clipboard.writeText)
            navigator.clipboard.writeText(text).then(() => say("Copied"), select);
        else
            select();
    });
    return el("div", {class: "copyable"}, el("div", {class: "copy-head"}, el("h3", null, title), button), pre);
}

function facts(title, rows) {
    const known = rows.filter(([, value]) => value !== null && value !== undefined && value !== "");
    if (!known.length) return null;
    return el("div", null, el("h3", null, title),
        el("dl", {class: "facts"}, known.map(([name, value]) => [el("dt", null, name), el("dd", null, value)])));
}

const whole = (value) => (format.known(value) ? format.whole(value) : null);
const code = (text) => (text ? el("code", null, text) : null);
const more = (value) => (value > 1 ? format.whole(value) : null);

function ofRun(run) {
    const steps = format.known(run.steps_done) ? `${whole(run.steps_done)} of ${format.whole(run.steps)}` : null;
    return facts("Run", [
        ["Folder", run.folder],
        ["Model", run.model],
        ["Image size", whole(run.size)],
        ["Seed", format.known(run.seed) ? String(run.seed) : null],
        ["Steps", steps],
        ["First start", run.started ? run.started.replace("T", " ").replace("Z", " UTC") : null],
        ["Starts", more(run.starts)],
    ]);
}

function ofData(data) {
    const share = Number(data.holdout);
    return facts("Data", [
        ["Path", data.path],
        ["Fingerprint", code(data.fingerprint)],
        ["Classes", whole(data.classes)],
        ["Training images", whole(data.train)],
        ["Validation images", whole(data.val)],
        ["Left out", whole(data.left_out)],
        ["Held out", share > 0 ? `${format.percent(share, 0)} of the training images` : null],
        ["Validated on", data.validates_on],
    ]);
}

function ofMachine(machine) {
    return facts("Machine", [
        ["Processor", machine.processor],
        ["Instructions", machine.instructions],
        ["Threads", whole(machine.threads)],
        ["Memory", format.known(machine.memory) ? format.bytes(machine.memory) : null],
        ["System", machine.system],
    ]);
}

function ofVersions(versions) {
    return facts("Versions", [
        ["Ocelli", versions.ocelli],
        ["Commit", code(versions.commit)],
        ["oneDNN", versions.onednn],
        ["Compiler", versions.compiler],
    ]);
}

function warnings(texts) {
    if (!texts || !texts.length) return null;
    const list = el("ul", {class: "warnings"}, texts.map((text) => el("li", null, text)));
    return el("div", {class: "part-of"}, el("h3", null, "Warnings"), list);
}

function content(run) {
    const all = [ofRun(run), ofData(run.data || {}), ofMachine(run.machine || {}), ofVersions(run.versions || {})];
    return [
        run.command ? copyable("Command", run.command, null) : null,
        el("div", {class: "again"}, el("div", {class: "facts-all"}, all),
            run.recipe_yaml ? copyable("Recipe", run.recipe_yaml, "long") : null),
        warnings(run.warnings)
    ];
}

let choice, body, drawn = "";

oc.again = {
    id: "again",
    title: "Run it again",
    here: () => oc.runs().length > 0,
    make() {
        choice = el("div");
        body = el("div");
        return [choice, body];
    },
    update() {
        const run = oc.selected();
        const names = JSON.stringify([run.name, oc.runs().map((one) => one.name)]);
        if (choice.dataset.names !== names) oc.replace(choice, oc.runChoice());
        choice.dataset.names = names;
        const text = JSON.stringify([
            run.name, run.command, run.recipe_yaml, run.machine, run.versions, run.data, run.warnings, run.steps_done
        ]);
        if (text === drawn) return;
        drawn = text;
        oc.replace(body, content(run));
    },
};
})(window.ocelli);
