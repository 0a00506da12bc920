/* Numbers as people read them. Every function takes null, which is "–": not known. */
"use strict";
(function(oc) {
const none = "\u2013";
const thin = "\u202f";
const known = (value) => typeof value === "number" && Number.isFinite(value);

function plain(value, digits) { return known(value) ? value.toFixed(digits).replace("-", "\u2212") : none; }

/* 1234567 as 1 234 567. */
function whole(value) {
    if (!known(value)) return none;
    return String(Math.round(value)).replace(/\B(?=(\d{3})+(?!\d))/g, thin);
}

/* Three significant digits: 11.4 M. */
function rough(value) {
    if (!known(value)) return none;
    const size = Math.abs(value);
    const [unit, name] = size >= 999.5e9 ? [1e12, "T"]
        : size >= 999.5e6                ? [1e9, "G"]
        : size >= 999.5e3                ? [1e6, "M"]
        : size >= 1e4                    ? [1e3, "k"]
                                         : [1, ""];
    if (!name) return whole(value);
    const scaled = value / unit;
    return scaled.toFixed(scaled >= 99.95 ? 0 : scaled >= 9.995 ? 1 : 2) + thin + name;
}

function percent(share, digits) {
    return known(share) ? plain(100 * share, digits === undefined ? 1 : digits) + thin + "%" : none;
}

function interval(low, high) {
    return known(low) && known(high) ? `${plain(100 * low, 1)}\u2013${plain(100 * high, 1)}` : none;
}

function points(share, digits) { return known(share) ? (share > 0 ? "+" : "") + plain(100 * share, digits) : none; }

function duration(seconds) {
    if (!known(seconds)) return none;
    if (seconds < 1) return plain(seconds, 2) + thin + "s";
    if (seconds < 59.95) return plain(seconds, 1) + thin + "s";
    const all = Math.round(seconds);
    const two = (number) => String(number).padStart(2, "0");
    if (all < 3600) return `${Math.floor(all / 60)}${thin}min ${two(all % 60)}${thin}s`;
    return `${Math.floor(all / 3600)}${thin}h ${two(Math.floor(all / 60) % 60)}${thin}min`;
}

function bytes(value) {
    if (!known(value)) return none;
    const [unit, name, digits] = value >= 1e9 ? [1e9, "GB", 2] : value >= 1e6 ? [1e6, "MB", 0] : [1e3, "kB", 0];
    return plain(value / unit, digits) + thin + name;
}

/* A rate, loss or learning rate: as many digits as matter. */
function number(value) {
    if (!known(value)) return none;
    const size = Math.abs(value);
    if (size !== 0 && (size < 1e-3 || size >= 1e6)) return value.toExponential(2).replace("-", "\u2212");
    return plain(value, size >= 1000 ? 0 : size >= 100 ? 1 : size >= 10 ? 2 : 4);
}

/* A loss in a table: three decimals, which line up, as long as it is of a size that losses have. */
function loss(value) { return known(value) && Math.abs(value) >= 1e6 ? number(value) : plain(value, 3); }

function p(value) {
    if (!known(value)) return none;
    return value < 0.001 ? "p < 0.001" : `p = ${value < 0.01 ? plain(value, 3) : plain(value, 2)}`;
}

function count(amount, one, many) { return `${whole(amount)} ${amount === 1 ? one : many}`; }

/* Wilson's interval for hits of tries, at 95 %. */
function wilson(hits, tries) {
    if (!(tries > 0)) return [null, null];
    const z = 1.959963984540054, share = hits / tries, square = (z * z) / tries;
    const middle = (share + square / 2) / (1 + square);
    const half = (z * Math.sqrt((share * (1 - share)) / tries + square / (4 * tries))) / (1 + square);
    return [Math.max(0, middle - half), Math.min(1, middle + half)];
}

/* "a, b and c", the rest counted after most. */
function list(texts, most) {
    const limit = most || 6;
    const shown = texts.length > limit ? texts.slice(0, limit).concat(`${texts.length - limit} more`) : texts;
    return shown.length < 2 ? shown.join("") : `${shown.slice(0, -1).join(", ")} and ${shown[shown.length - 1]}`;
}

/* Words of one class are divided by commas: the first will do where there is little room. */
function shortName(name, most) {
    const limit = most || 28;
    const first = String(name).split(",")[0].trim() || String(name);
    const letters = Array.from(first);
    return letters.length > limit ? letters.slice(0, limit - 1).join("") + "\u2026" : first;
}

oc.format = {
    none,
    known,
    plain,
    whole,
    rough,
    percent,
    interval,
    points,
    duration,
    bytes,
    loss,
    number,
    p,
    count,
    wilson,
    list,
    shortName
};
})(window.ocelli);
