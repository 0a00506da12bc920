/* Light or dark: what the reader chose, else what the system asks for. Runs in the head, so that nothing flashes. */
"use strict";
window.ocelli = {};
(function(oc) {
const root = document.documentElement;
const dark = window.matchMedia("(prefers-color-scheme: dark)");
let chosen = null;
let printing = false;
const listeners = [];

/* A page opened from a file may be refused its storage; then the choice lasts as long as the page. */
try {
    chosen = window.localStorage.getItem("ocelli-theme");
} catch (refused) {
    chosen = null;
}

function current() {
    if (printing) return "light";
    return chosen === "dark" || chosen === "light" ? chosen : dark.matches ? "dark" : "light";
}

function apply() {
    root.dataset.theme = current();
    listeners.forEach((listener) => listener());
}

oc.theme = {
    current,
    onChange: (listener) => listeners.push(listener),
    toggle() {
        chosen = current() === "dark" ? "light" : "dark";
        try {
            window.localStorage.setItem("ocelli-theme", chosen);
        } catch (refused) {
            /* Not kept, see above. */
        }
        apply();
    },
    /* Paper is light. */
    print(on) {
        printing = on;
        apply();
    },
};
dark.addEventListener("change", apply);
apply();
})(window.ocelli);
