#!/usr/bin/env python3
"""Documents as `ocelli report --json` makes them (docs/report.md), invented: what a page must be good with.

samples.py PAGE.html OUT      PAGE.html as cmake/page.cmake puts it together; OUT/<case>.html are written
"""

import base64
import json
import math
import random
import struct
import sys
import zlib
from pathlib import Path

STUDY = [  # name, model, parameters, MACs, top-1 at the end, images/s
    ("myresnet-small", "myresnet-small", 7957320, 310_000_000, 0.512, 205.0),
    ("myresnet-base", "myresnet-base", 30991816, 1_220_000_000, 0.531, 61.0),
    ("seresnet18", "seresnet18", 11361544, 145_700_000, 0.524, 182.0),
    ("seresnext26d_32x4d", "seresnext26d_32x4d", 15170312, 228_000_000, 0.501, 88.0),
    ("skresnet18", "skresnet18", 11539976, 177_000_000, 0.519, 97.0),
    ("seresnet34", "seresnet34", 21542336, 300_200_000, 0.549, 99.0),
]
THINGS = (Path(__file__).parent / "class_names.txt").read_text(encoding="utf-8").splitlines()
RECIPE = {
    "model.name": "seresnet18",
    "data.size": "64",
    "data.augment": "true",
    "data.holdout": "0",
    "train.epochs": "40",
    "train.batch_size": "64",
    "train.seed": "0",
    "train.shuffle": "true",
    "mixup.alpha": "0.2",
    "loss.label_smoothing": "0.01",
    "optimizer.name": "adamw",
    "optimizer.lr": "0.001",
    "optimizer.weight_decay": "0.01",
    "schedule.name": "cosine",
    "schedule.final_lr": "1e-06",
    "schedule.warmup_steps": "0",
    "ema.decay": "0",
    "clip.norm": "0",
}


def png(rng, size=64):
    """A picture of nothing: a disc before a sky."""
    a, b, c = ([rng.randrange(30, 230) for _ in range(3)] for _ in range(3))
    x0, y0, r = rng.randrange(16, 48), rng.randrange(20, 48), rng.randrange(9, 22)
    rows = []
    for y in range(size):
        row = bytearray(b"\0")
        for x in range(size):
            inside = (x - x0) ** 2 + (y - y0) ** 2 < r * r
            row += bytes(c) if inside else bytes((a[k] * (size - y) + b[k] * y) // size for k in range(3))
        rows.append(bytes(row))

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    data = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(b"".join(rows), 9))
        + chunk(b"IEND", b"")
    )
    return "data:image/png;base64," + base64.b64encode(data).decode()


def wilson(hits, tries):
    z, p = 1.959963984540054, hits / tries
    middle, half = p + z * z / (2 * tries), z * math.sqrt(p * (1 - p) / tries + z * z / (4 * tries * tries))
    return (middle - half) / (1 + z * z / tries), (middle + half) / (1 + z * z / tries)


def metrics(rng, epochs, done, top1, rate, images, batch, alpha, val_images=10000):
    steps_epoch = images // batch
    shares = (rng.uniform(0.08, 0.2), rng.uniform(0.24, 0.28), rng.uniform(0.42, 0.46), rng.uniform(0.03, 0.06))
    m = {
        key: []
        for key in (
            "epoch step train_loss train_top1 train_top5 val_loss val_top1 val_top5 lr images_per_second "
            "seconds elapsed_seconds share_data share_forward share_backward share_optimizer "
            "share_validation"
        ).split()
    }
    elapsed = 0.0
    for epoch in range(done + 1):
        rise = 1 - math.exp(-4.2 * epoch / epochs)
        late = max(0.0, epoch / epochs - 0.55)
        value = (
            0.005
            + (top1 - 0.005) * (0.86 * rise + 0.14 * min(1, 2.2 * late))
            + rng.gauss(0, 0.006 * (1.2 - epoch / epochs))
        )
        value = round(max(0.001, value) * val_images) / val_images
        first = epoch == 0
        speed = rate * rng.uniform(0.97, 1.02)
        train = 0 if first else images / speed
        validation = val_images / (3.1 * rate)
        seconds = train + validation + 0.6
        elapsed += seconds
        part = [0, 0, 0, 0] if first else [share * train / seconds for share in shares]
        m["epoch"].append(epoch)
        m["step"].append(epoch * steps_epoch)
        m["train_loss"].append(
            None if first else 5.25 - 3.0 * rise - 0.4 * late + (0.35 if alpha else -0.3 * rise) + rng.gauss(0, 0.02)
        )
        m["train_top1"].append(None if first else 0.005 + (0.52 if alpha else 0.8) * rise + rng.gauss(0, 0.004))
        m["train_top5"].append(None if first else 0.02 + (0.74 if alpha else 0.95) * rise)
        m["val_loss"].append(5.3 - 3.15 * value / 0.55 + rng.gauss(0, 0.015))
        m["val_top1"].append(value)
        m["val_top5"].append(min(0.99, 0.02 + value * 1.46))
        m["lr"].append(1e-6 + 0.5 * (1e-3 - 1e-6) * (1 + math.cos(math.pi * epoch / epochs)))
        m["images_per_second"].append(None if first else speed)
        m["seconds"].append(seconds)
        m["elapsed_seconds"].append(elapsed)
        for key, value in zip(("data", "forward", "backward", "optimizer"), part):
            m["share_" + key].append(None if first else value)
        m["share_validation"].append(validation / seconds)
    return m


def steps_sampled(rng, epochs, steps, steps_done, alpha):
    places = min(200, steps_done)
    at = [round((i + 1) * steps_done / places) for i in range(places)] if places else []
    rise = [1 - math.exp(-4.2 * step / steps) for step in at]
    return {
        "step": at,
        "loss": [5.25 - 3.0 * r + (0.35 if alpha else -0.3 * r) + rng.gauss(0, 0.05) for r in rise],
        "lr": [1e-6 + 0.5 * (1e-3 - 1e-6) * (1 + math.cos(math.pi * step / steps)) for step in at],
    }


def yaml(recipe):
    lines, section = [], None
    for key, value in recipe.items():
        head, tail = key.split(".", 1)
        if head != section:
            lines.append(f"{head}:")
        section = head
        lines.append(f"  {tail}: {value}")
    return "\n".join(lines) + "\n"


def run(
    rng,
    name,
    model="seresnet18",
    parameters=11361544,
    macs=145_700_000,
    top1=0.524,
    rate=182.0,
    epochs=40,
    done=None,
    seed=0,
    images=100000,
    batch=64,
    alpha="0.2",
    classes=200,
    state="finished",
    val_images=10000,
    **recipe,
):
    done = epochs if done is None else done
    steps = epochs * (images // batch)
    steps_done = done * (images // batch)
    m = metrics(rng, epochs, done, top1, rate, images, batch, float(alpha), val_images)
    best = max(range(len(m["val_top1"])), key=lambda i: (m["val_top1"][i], -i))
    low, high = wilson(m["val_top1"][best] * val_images, val_images)
    full = dict(
        RECIPE,
        **{"model.name": model, "train.epochs": str(epochs), "train.seed": str(seed), "mixup.alpha": alpha},
        **recipe,
    )
    return {
        "name": name,
        "folder": f"study/{name}",
        "kind": "run",
        "state": state,
        "reason": None,
        "model": model,
        "parameters": parameters,
        "macs": macs,
        "size": 64,
        "seed": seed,
        "epochs": epochs,
        "epochs_done": done,
        "steps": steps,
        "steps_done": steps_done,
        "seconds": m["elapsed_seconds"][-1] + 2.0,
        "images_per_second": rate if done else None,
        "peak_memory": 430_000_000 + parameters * 24,
        "best": {
            "epoch": m["epoch"][best],
            "top1": m["val_top1"][best],
            "top1_low": low,
            "top1_high": high,
            "top5": m["val_top5"][best],
            "loss": m["val_loss"][best],
            "images": val_images,
        },
        "metrics": m,
        "steps_sampled": steps_sampled(rng, epochs, steps, steps_done, float(alpha)),
        "recipe": full,
        "recipe_yaml": yaml(full),
        "command": f"ocelli train --data tiny-imagenet-200.zip --model {model} --out study/{name}",
        "machine": {
            "processor": "AMD EPYC 9R14",
            "instructions": "avx512_bf16",
            "threads": 2,
            "memory": 16_500_000_000,
            "system": "Linux 6.1, glibc 2.36",
        },
        "versions": {"ocelli": "0.1.0", "commit": "b5c4f7e", "onednn": "2.6.3", "compiler": "gcc 12.2.0"},
        "data": {
            "path": "tiny-imagenet-200.zip",
            "fingerprint": "xxh3:9f86d081884c7d65",
            "classes": classes,
            "train": images,
            "val": val_images,
            "left_out": 3,
        },
        "warnings": ["3 of 100000 images of train were left out: 2 cannot be decoded, 1 is empty"],
        "evaluation": None,
        "evaluation_missing": "there is no best.safetensors yet",
        "ensemble": None,
    }


def evaluation(rng, top1, names, images_per_class=50, inline=True):
    n = len(names)
    order = list(range(n))
    confusion, right, count = [], [], [images_per_class] * n
    skill = [min(0.98, max(0.05, rng.gauss(top1, 0.17))) for _ in range(n)]
    for true in range(n):
        hits = sum(rng.random() < skill[true] for _ in range(images_per_class))
        row = {true: hits} if hits else {}
        for _ in range(images_per_class - hits):
            guess = true
            while guess == true:
                near = rng.random() < 0.72
                guess = (
                    (true + rng.choice((-3, -2, -2, -1, -1, -1, 1, 1, 1, 2, 2, 3))) % n if near else rng.randrange(n)
                )
            row[guess] = row.get(guess, 0) + 1
        right.append(hits)
        confusion += [[true, guess, row[guess]] for guess in sorted(row)]
    cells = {(t, g): c for t, g, c in confusion}
    both = sorted(
        {(min(t, g), max(t, g)) for t, g in cells if t != g},
        key=lambda ab: -(cells.get(ab, 0) + cells.get(ab[::-1], 0)),
    )[:10]

    def example(true, guess, probability):
        return {
            "name": f"val_{rng.randrange(10000)}.JPEG",
            "true": true,
            "guess": guess,
            "probability": probability,
            "probability_true": (1 - probability) * rng.random(),
            "width": 64,
            "height": 64,
            "image": png(rng) if inline else None,
        }

    pairs = []
    for a, b in both:
        ab, ba = cells.get((a, b), 0), cells.get((b, a), 0)
        shown = [(a, b)] * min(2, ab) + [(b, a)] * min(2, ba)
        pairs.append(
            {
                "a": a,
                "b": b,
                "images": ab + ba,
                "a_as_b": ab,
                "b_as_a": ba,
                "examples": [example(t, g, rng.uniform(0.5, 0.95)) for t, g in shown],
            }
        )
    total = n * images_per_class
    hits = sum(right)
    weights = [max(0.0, 1 - abs(i - 6) / 11) if i > 0 else 0.0 for i in range(15)]
    bins, left, ece = [], total, 0
    for i, weight in enumerate(weights):
        images = left if i == 14 else round(total * weight / sum(weights))
        left -= images
        middle = (i + 0.5) / 15
        accuracy = max(0.0, min(1.0, middle + 0.06 - 0.02 * i / 15 + rng.gauss(0, 0.01))) if images else None
        bins.append(
            {
                "low": i / 15,
                "high": (i + 1) / 15,
                "images": images,
                "confidence": middle if images else None,
                "accuracy": accuracy,
            }
        )
        ece += images / total * abs(accuracy - middle) if images else 0
    wrong_cells = [(t, g) for t, g, _ in confusion if t != g]
    wrong = [example(*rng.choice(wrong_cells), 0.992 - 0.006 * i) for i in range(24)] if wrong_cells else []
    low, high = wilson(hits, total)
    return {
        "images": total,
        "top1": hits / total,
        "top1_low": low,
        "top1_high": high,
        "top5": min(1, 1.44 * hits / total),
        "loss": 2.06,
        "calibration_error": ece,
        "classes": [f"n{1443537 + 7919 * i:08d}" for i in range(n)],
        "class_names": list(names),
        "order": order,
        "right": right,
        "count": count,
        "confusion": confusion,
        "reliability": bins,
        "pairs": pairs,
        "wrong": wrong,
    }


def ensemble(rng, members, top1, method="stack", name="ensemble"):
    n = len(members)
    correlation = [[1.0] * n for _ in range(n)]
    for a in range(n):
        for b in range(a):
            correlation[a][b] = correlation[b][a] = rng.uniform(0.42, 0.63)
    listed = []
    for i, one in enumerate(members):
        best = one["best"]
        kept = i != 3
        listed.append(
            {
                "weights": f"study/{one['name']}/best.safetensors",
                "model": one["model"],
                "parameters": one["parameters"],
                "macs": one["macs"],
                "top1": best["top1"],
                "top1_low": best["top1_low"],
                "top1_high": best["top1_high"],
                "loss": best["loss"],
                "gain": rng.uniform(-0.002, 0.018) if kept else None,
                "weight": 1 / (n - 1) if kept else None,
                "kept": kept,
                "seen": 0,
            }
        )
    best_member = max(range(n), key=lambda i: listed[i]["top1"])
    low, high = wilson(top1 * 10000, 10000)
    figures = {
        "images": 10000,
        "skipped": 0,
        "trained_on": 0,
        "parameters": sum(m["parameters"] for m in listed) + 240200,
        "macs": sum(m["macs"] for m in listed),
        "top1": top1,
        "top1_low": low,
        "top1_high": high,
        "top5": 0.823,
        "loss": 1.71,
        "calibration_error": 0.031,
        "best_member": best_member,
        "p": 3.1e-22,
    }
    return {
        "name": name,
        "folder": f"study/{name}",
        "kind": "ensemble",
        "state": "finished",
        "reason": None,
        "model": method,
        "parameters": figures["parameters"],
        "macs": figures["macs"],
        "size": 64,
        "seed": 0,
        "epochs": 20,
        "epochs_done": 20,
        "steps": None,
        "steps_done": None,
        "seconds": 2810.0,
        "images_per_second": None,
        "peak_memory": 1_800_000_000,
        "best": {
            "epoch": None,
            "top1": top1,
            "top1_low": low,
            "top1_high": high,
            "top5": 0.823,
            "loss": 1.71,
            "images": 10000,
        },
        "metrics": None,
        "steps_sampled": None,
        "recipe": None,
        "recipe_yaml": None,
        "command": "ocelli ensemble --data tiny-imagenet-200.zip --out study/ensemble study/*/best.safetensors",
        "machine": members[0]["machine"],
        "versions": members[0]["versions"],
        "data": members[0]["data"],
        "warnings": [],
        "evaluation": None,
        "evaluation_missing": None,
        "ensemble": {
            "method": method,
            "fit_on": "holdout:0.1",
            "fit_images": 10000,
            "smoothing": 0.01,
            "init": "mean",
            "epochs": 20,
            "batch_size": 64,
            "lr": 0.001,
            "seed": 0,
            "members": listed,
            "correlation": correlation,
            "ensemble": figures,
        },
    }


def document(title, runs, differences=(), left_out=()):
    return {
        "ocelli": {"version": "0.1.0", "commit": "b5c4f7e"},
        "title": title,
        "runs": runs,
        "differences": list(differences),
        "left_out": list(left_out),
    }


def case_study(rng):
    runs = [run(rng, name, model, parameters, macs, top1, rate) for name, model, parameters, macs, top1, rate in STUDY]
    whole = ensemble(rng, runs, 0.6021)
    for one in (*runs, whole):
        one["evaluation"] = evaluation(
            rng, one["best"]["top1"], THINGS[:200], inline=one["name"] in ("seresnet34", "ensemble")
        )
        one["evaluation_missing"] = None
    return document("reference study", runs + [whole], ["model.name"])


def case_mixup(rng):
    runs = []
    for alpha, name, top1 in (("0", "plain", 0.462), ("0.2", "mixup", 0.522)):
        for seed in range(3):
            runs.append(
                run(rng, f"{name}-seed{seed}", top1=top1 + rng.gauss(0, 0.004), epochs=20, seed=seed, alpha=alpha)
            )
    return document("what does mixup do", runs, ["mixup.alpha", "train.seed"])


def case_one_epoch(rng):
    names = [
        "red disc",
        "blue square",
        "green star",
        "two rings",
        "cross",
        "checkers",
        "stripes",
        "crescent",
        "spiral",
        "arrow",
    ]
    one = run(
        rng,
        "demo",
        model="myresnet-tiny",
        parameters=183_000,
        macs=5_100_000,
        top1=0.61,
        rate=1900.0,
        epochs=1,
        images=2000,
        classes=10,
        val_images=500,
    )
    one["evaluation"] = evaluation(rng, 0.6, names)
    return document("demo", [one])


def case_cut_short(rng):
    one = run(rng, "cut", done=0, state="stopped")
    one["steps_done"] = 61
    one["steps_sampled"] = steps_sampled(rng, 40, one["steps"], 61, 0.2)
    one["seconds"] += 61 * 64 / 182
    other = run(rng, "cut-in-epoch-13", done=12, state="stopped")
    other["steps_done"] += 700
    return document(
        "cut short", [one, other], left_out=[{"folder": "study/empty", "reason": "there is no recipe.yaml in it"}]
    )


def case_nan(rng):
    good = run(rng, "good", epochs=12)
    bad = run(rng, "diverged", epochs=12, done=9, state="failed", **{"optimizer.lr": "3"})
    bad["reason"] = "the loss is not finite in step 14057 (loss nan): lower optimizer.lr, or set clip.norm"
    for key in ("train_loss", "train_top1", "val_loss"):
        for i in (4, 6, 7, 9):
            bad["metrics"][key][i] = None
    for i in range(80, 90):
        bad["steps_sampled"]["loss"][i] = None
    bad["images_per_second"] = bad["peak_memory"] = bad["macs"] = None
    never = run(rng, "never-validated", epochs=12, done=0, state="failed", **{"optimizer.lr": "100"})
    never["reason"] = "the loss is not finite in step 1"
    never["best"] = None
    for key in never["metrics"]:
        never["metrics"][key] = []
    never["steps_sampled"] = {"step": [], "loss": [], "lr": []}
    never["evaluation_missing"] = "the run has no best weights: it was never validated"
    return document("with NaN", [good, bad, never], ["optimizer.lr"])


def case_fifty(rng):
    runs = []
    for i in range(50):
        lr, alpha = ("0.0003", "0.001", "0.003", "0.01", "0.03")[i % 5], ("0", "0.2")[i // 5 % 2]
        runs.append(
            run(
                rng,
                f"sweep-{i:02d}-lr{lr}-mixup{alpha}",
                top1=0.35 + 0.2 * rng.random(),
                epochs=30,
                seed=i // 10,
                alpha=alpha,
                **{"optimizer.lr": lr},
            )
        )
    runs[7]["state"] = "running"
    return document("sweep", runs, ["optimizer.lr", "mixup.alpha", "train.seed"])


def case_odd_names(rng):
    names = [
        "<script>alert(1)</script>",
        "</script><img src=x onerror=alert(1)>",
        "{{data}} {{connect}} &amp; \"quoted\" 'single'",
        "a very long name " * 14,
        "unbroken" * 30,
        "日本語のクラス名",
        "עברית",
        "z\u0335\u0321a\u0336lgo",
        "",
        " ",
    ]
    one = run(rng, "<b>bold</b>", epochs=5, classes=10, val_images=500)
    two = run(rng, "another-run-with-" + "a-long-name-" * 9, epochs=5, classes=10, val_images=500)
    one["evaluation"] = two["evaluation"] = evaluation(rng, 0.6, names)
    one["warnings"] = ["<script>alert(1)</script>"] * 2
    one["reason"] = "<i>why</i>"
    return document("<script>alert(document.title)</script>", [one, two], ["model.<b>name</b>"])


def case_none(rng):
    return document("nothing", [], left_out=[{"folder": "empty", "reason": "there is no run in it"}])


CASES = {
    name[len("case_") :].replace("_", "-"): make for name, make in list(globals().items()) if name.startswith("case_")
}


def page(template, data, connect="'none'"):
    text = json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")
    before, after = template.split("{{data}}")
    return before.replace("{{connect}}", connect) + text + after


def main():
    template = Path(sys.argv[1]).read_text(encoding="utf-8")
    out = Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    for name, make in CASES.items():
        data = make(random.Random(name))
        (out / f"{name}.json").write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")
        (out / f"{name}.html").write_text(page(template, data), encoding="utf-8")


if __name__ == "__main__":
    main()
