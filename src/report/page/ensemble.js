/* Ensembles: their members, what each brings, and how alike their errors are. */
"use strict";
(function(oc) {
const {el, format} = oc;

/* A member is known by its weights file: the folder of that names the run. */
oc.memberName = (member) => {
    const parts = String(member.weights || "").split("/").filter(Boolean);
    const file = parts.length ? parts[parts.length - 1] : "";
    if (parts.length > 1 && /^(best|last)\.safetensors$/.test(file)) return parts[parts.length - 2];
    return file.replace(/\.safetensors$/, "") || member.model;
};

const fitted = (report) => {
    const on = report.fit_on ? `fitted on ${report.fit_on}` : "fitted";
    return report.method === "mean"
        ? "the mean of its members' probabilities, nothing is fitted"
        : `${on}${format.known(report.fit_images) ? `, ${format.whole(report.fit_images)} images` : ""}`;
};

function sentence(run) {
    const {members, ensemble, method} = run.ensemble;
    const best = members[ensemble.best_member];
    const gain = best && format.known(ensemble.top1) ? 100 * (ensemble.top1 - best.top1) : null;
    return [
        el("strong", null, run.name),
        ` (${method}; ${fitted(run.ensemble)}): `,
        el("strong", null, `${format.percent(ensemble.top1)} top\u20111`),
        ` (95\u202f% interval ${format.interval(ensemble.top1_low, ensemble.top1_high)}), `,
        `${format.percent(ensemble.top5)} top\u20115, loss ${format.loss(ensemble.loss)}, calibration error ${
            format.percent(ensemble.calibration_error)}. `,
        gain === null ? ""
                      : `That is ${format.plain(Math.abs(gain), 1)} points ${
                            gain < 0 ? "below" : "above"} its best member, ${oc.memberName(best)}, on the same ${
                            format.whole(ensemble.images)} images (McNemar's exact test: ${format.p(ensemble.p)}).`,
    ];
}

function members(run) {
    const {members: all, ensemble} = run.ensemble;
    const most = Math.max(1e-9, ...all.map((member) => Math.abs(member.gain || 0)));
    const gainBar = (gain) => {
        const width = 60, size = Math.max(1, (Math.abs(gain) / most) * (width / 2));
        return oc.svg("svg", {
            class: `gain ${gain < 0 ? "loss" : ""}`,
            width,
            height: 12,
            viewBox: `0 0 ${width} 12`,
            "aria-hidden": "true"
        },
            oc.svg("rect", {x: gain < 0 ? width / 2 - size : width / 2, y: 2, width: size, height: 8}),
            oc.svg("line", {x1: width / 2, y1: 0, x2: width / 2, y2: 12}));
    };
    const number = (...content) => el("td", {class: "number"}, content);
    return oc.scroller("Members of the ensemble",
        oc.table("Members of the ensemble",
            ["Member", "Model", "Top-1, 95\u202f% interval", "Loss", "Gain, points", "Weight", "Parameters", "Kept"],
            all.map(
                (member,
                    place) => [el("th", {scope: "row", title: member.weights}, oc.memberName(member),
                                   place === ensemble.best_member ? el("span", {class: "badge"}, "best member") : null),
                    member.model,
                    number(format.percent(member.top1), " ",
                        el("span", {class: "range"}, format.interval(member.top1_low, member.top1_high))),
                    number(format.loss(member.loss)),
                    number(member.kept ? [format.points(member.gain, 2), " ", gainBar(member.gain || 0)] : format.none),
                    number(member.kept ? format.plain(member.weight, 3) : format.none),
                    number(format.rough(member.parameters)),
                    member.kept ? "yes" : "no",
    ]),
            {class: "members"}));
}

/* Ten steps of colour, by class: what is alike is dark. */
function correlation(run) {
    const {members: all, correlation: rows} = run.ensemble;
    const values = rows.flatMap((row, a) => row.filter((_, b) => a !== b)).filter(format.known);
    const low = Math.min(...values), high = Math.max(...values);
    const step = (value) => Math.round((9 * (value - low)) / Math.max(1e-9, high - low));
    const cell = (value, same) => {
        if (same) return el("td", {class: "same"}, "\u00b7");
        return el("td", {class: format.known(value) ? `heat-${step(value)}` : null}, format.plain(value, 2));
    };
    const names = all.map(oc.memberName);
    const title = "Correlation of the members' errors";
    return oc.scroller(title,
        oc.table(title, [el("span", {class: "unseen"}, "Member"), ...names],
            rows.map((row, a) => [names[a], ...row.map((value, b) => cell(value, a === b))]), {class: "heat"}));
}

const ensembles = () => oc.runs().filter((run) => run.ensemble && run.ensemble.ensemble);
let body, drawn = "", chosen = null;

oc.ensembles = {
    id: "ensemble",
    title: "Ensemble",
    here: () => ensembles().length > 0,
    make() {
        body = el("div");
        return [body];
    },
    update() {
        const all = ensembles();
        const run = all.find((one) => one.name === chosen) || oc.best(all) || all[0];
        const text = JSON.stringify([all.map((one) => one.name), run.ensemble]);
        if (text === drawn) return;
        drawn = text;
        oc.replace(body,
            all.length > 1 ? oc.select("Ensemble", all.map((one) => [one.name, one.name]), run.name,
                                 (name) => {
                                     chosen = name;
                                     oc.ensembles.update();
                                 })
                           : null,
            el("p", {class: "statement"}, sentence(run)),
            el("div", {class: "part-of"}, el("h3", null, "Members"),
                el("p", {class: "about"},
                    "Gain: top-1 of the ensemble minus that of the ensemble fitted again without the member."),
                members(run)),
            run.ensemble.members.length > 1
                ? el("div", {class: "part-of"}, el("h3", null, "How alike their errors are"),
                      el("p", {class: "about"},
                          "Correlation of two members' errors over the validation images: the lower, " +
                              "the more they have to tell each other."),
                      correlation(run))
                : null);
    },
};
})(window.ocelli);
