#!/usr/bin/env python3
"""Reference numbers for tests/data, by PyTorch and timm in double precision from weights that a formula gives.

    scripts/reference_numbers.py full NAME...   tests/data/NAME.json: a model's table of tensors and three training steps
    scripts/reference_numbers.py ties           tests/data/ties.json, for every NAME.json there is
    scripts/reference_numbers.py cases          tests/data/cases.json: other sizes, batches, classes and stems
    scripts/reference_numbers.py bf16 NAME...   tests/data/bf16.json: how far off a model's gradients in bfloat16 are

Element i of tensor `name`: the SplitMix64 output function over FNV-1a 64 of the name, see tests/support/formula.c.
A tolerance is the larger of a floor and four times the error that PyTorch's float32 makes, ties apart.

Ties: a value next to zero before a ReLU, nearer than 16 times what single precision is off on average in that layer,
has the sign that rounding gives it, and with it comes or goes its whole gradient. `ties` lists them as
[number of the ReLU in the order of the forward pass, element, value in double precision], so that a test can settle
them as double precision does and hold everything else to a tight tolerance.

Needs torch and timm (pip install torch timm); runs for some minutes.
"""

import json
import pathlib
import sys

import numpy as np
import timm
import torch
from torch import nn

DATA = pathlib.Path(__file__).resolve().parent.parent / "tests" / "data"
SMOOTHING, LAMBDA, LR, DECAY = 0.01, 0.7, 1e-5, 0.01
TIE_WIDTH = 16
PLANES = {"myresnet-tiny": 4, "myresnet-small": 32, "myresnet-base": 64}


# ---- Formula and models ----


def uniform(name, count):
    mask = (1 << 64) - 1
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = (h ^ byte) * 0x100000001B3 & mask
    with np.errstate(over="ignore"):
        z = np.uint64(h) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return (z >> np.uint64(40)).astype(np.float64) / 2**24


def kind_of(name, shape):
    if len(shape) > 1:
        return "weight"
    leaf = name.rsplit(".", 1)[1]
    return {"weight": "norm_weight"}.get(leaf, leaf)


def fill(name, shape):
    kind, count = kind_of(name, shape), int(np.prod(shape))
    u = uniform(name, count)
    bound = np.sqrt(6 / (count / shape[0]))
    scale, shift = {
        "weight": (2 * bound, -bound),
        "norm_weight": (0.4, 0.8),
        "running_var": (0.5, 0.75),
        "running_mean": (0.2, -0.1),
        "bias": (0.2, -0.1),
    }[kind]
    return torch.from_numpy((scale * u + shift).astype(np.float32).reshape(shape))


class Branch(nn.Module):
    def __init__(self, planes):
        super().__init__()
        conv = lambda: nn.Conv2d(planes, planes, 3, padding=1)
        self.layers = nn.Sequential(conv(), nn.BatchNorm2d(planes), nn.ReLU(), conv(), nn.BatchNorm2d(planes))
        self.act = nn.ReLU()

    def forward(self, x):
        return self.act(x + self.layers(x)) + x


def myresnet(p, classes, size):
    def block(i, o):
        return nn.Sequential(nn.Conv2d(i, o, 3, padding=1), nn.BatchNorm2d(o), nn.ReLU())

    pool = lambda: nn.MaxPool2d(2)
    net = nn.Sequential()
    parts = [("conv1", block(3, p)), ("conv2", block(p, 2 * p)), ("p1", pool()), ("res1", Branch(2 * p))]
    parts += [("conv3", block(2 * p, 4 * p)), ("p2", pool()), ("conv4", block(4 * p, 8 * p)), ("p3", pool())]
    parts += [("res2", Branch(8 * p)), ("conv5", block(8 * p, 16 * p)), ("p4", pool()), ("res3", Branch(16 * p))]
    parts += [("p5", pool()), ("fc", nn.Sequential(nn.Flatten(), nn.Linear(16 * p * (size // 32) ** 2, classes)))]
    for name, part in parts:
        net.add_module(name, part)
    return net


def own_stem(name):
    return "deep" if "26d" in name else "3x3"


def make(name, classes, size, stem="own", pool=True):
    """The model with the formula's weights, in double precision."""
    if name.startswith("myresnet"):
        net = myresnet(PLANES[name], classes, size)
    else:
        stem = own_stem(name) if stem == "own" else stem
        more = {"stem_type": "deep", "stem_width": 32} if stem == "deep" else {"stem_type": "", "stem_width": 64}
        net = timm.create_model(name, num_classes=classes, **more)
        if stem == "3x3":
            net.conv1 = nn.Conv2d(3, 64, 3, stride=1, padding=1, bias=False)
        if not pool:
            net.maxpool = nn.Identity()
    state = net.state_dict()
    for key, value in state.items():
        if not key.endswith("num_batches_tracked"):
            state[key] = fill(key, tuple(value.shape))
    net.load_state_dict(state)
    watch(net)
    return net.double()


# ---- ReLUs that are watched, and told which side to take ----


class Watched(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, side):
        ctx.save_for_backward(side)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, grad):
        return grad * ctx.saved_tensors[0], None


class Watch(nn.Module):
    """A ReLU that notes what it sees; with `sides`, its gradient passes where those say."""

    def __init__(self, book):
        super().__init__()
        self.book = [book]

    def forward(self, x):
        book = self.book[0]
        book["seen"].append(x.detach().double())
        side = book["sides"][len(book["seen"]) - 1] if book["sides"] else x > 0
        return Watched.apply(x, side)


def watch(net):
    book = {"seen": [], "sides": None}

    def replace(module):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.ReLU):
                setattr(module, name, Watch(book))
            else:
                replace(child)

    replace(net)
    net.book = book


# ---- Runs ----


class Task:
    """A batch: images and labels by the formula, targets mixed with those of the reversed batch and smoothed."""

    def __init__(self, batch, size, classes, prefix=""):
        self.batch, self.size, self.classes = batch, size, classes
        self.input, self.labels_name = prefix + "input", prefix + "labels"
        images = 4 * uniform(self.input, batch * 3 * size * size) - 2
        self.images = torch.from_numpy(images.astype(np.float32).reshape(batch, 3, size, size)).double()
        self.labels = [int(v) for v in uniform(self.labels_name, batch) * classes]
        self.targets = torch.full((batch, classes), SMOOTHING / classes, dtype=torch.float64)
        for i in range(batch):
            self.targets[i, self.labels[i]] += (1 - SMOOTHING) * LAMBDA
            self.targets[i, self.labels[batch - 1 - i]] += (1 - SMOOTHING) * (1 - LAMBDA)


def run(task, arguments, dtype, steps, sides=None):
    """What is measured of a model: a dict of arrays, those of the first step where there are several."""
    net = make(*arguments).to(dtype)
    images, targets = task.images.to(dtype), task.targets.to(dtype)
    book = net.book
    net.eval()
    with torch.no_grad():
        out = {"logits_eval": net(images).double()}
    net.train()
    groups = [
        {"params": [p for p in net.parameters() if p.ndim > 1], "weight_decay": DECAY},
        {"params": [p for p in net.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=LR)
    out["losses"] = []
    for step in range(steps):
        book["seen"], book["sides"] = [], sides if step == 0 else None
        logits = net(images)
        loss = -(targets * logits.log_softmax(1)).sum(1).mean()
        optimizer.zero_grad()
        loss.backward()
        out["losses"].append(loss.item())
        if step == 0:
            out["seen"] = book["seen"]
            out["logits_train"] = logits.detach().double()
            out["grads"] = {name: p.grad.double().clone() for name, p in net.named_parameters()}
            out["running"] = {k: v.double().clone() for k, v in net.state_dict().items() if ".running_" in k}
        optimizer.step()
    return out


def relative(a, b):
    return ((a - b).abs().max() / b.abs().max()).item()


def tolerances(exact, single, zero=()):
    def worst(what, measure):
        return max(measure(single[what][k], exact[what][k]) for k in exact[what] if k not in zero)

    l2 = lambda a, b: (abs(a.norm() - b.norm()) / b.norm()).item()
    bound = lambda floor, error: float("%.2g" % max(floor, 4 * error))
    return {
        "logits": bound(1e-4, max(relative(single[k], exact[k]) for k in ("logits_eval", "logits_train"))),
        "losses": [bound(1e-4, abs(a - b) / abs(b)) for a, b in zip(single["losses"], exact["losses"])],
        "running": bound(1e-4, worst("running", relative)),
        "grad_l2": bound(1e-3, worst("grads", l2)),
        "grad_elements": bound(1e-3, worst("grads", relative)),
    }


def ties(exact, single):
    found = []
    for number, (a, b) in enumerate(zip(exact["seen"], single["seen"])):
        a, b = a.flatten(), b.flatten()
        width = TIE_WIDTH * (a - b).abs().mean()
        found += [[number, int(i), float("%.3g" % a[i])] for i in torch.nonzero(a.abs() < width).flatten()]
    return found


# ---- Writing ----


def digits(value):
    return float("%.9g" % value)


def digest(values):
    flat = values.flatten().tolist()
    largest = max(abs(v) for v in flat)
    norm = float(np.linalg.norm(flat))
    return {"l2": digits(norm), "max": digits(largest), "first": [digits(v) for v in flat[:4]],
            "last": [digits(v) for v in flat[-2:]]}  # fmt: skip


def rows(logits, count):
    return [[digits(v) for v in row] for row in logits[:count].tolist()]


def zero_gradients(net):
    """Biases directly before a batch norm: their gradient is zero but for rounding."""
    modules = dict(net.named_modules())
    found = set()
    for name, module in modules.items():
        if isinstance(module, nn.Sequential):
            for a, b in zip(list(module), list(module)[1:]):
                if isinstance(a, nn.Conv2d) and a.bias is not None and isinstance(b, nn.BatchNorm2d):
                    found |= {f"{n}.bias" for n, m in modules.items() if m is a}
    return found


def write(path, text):
    path.write_text(text + "\n")
    print(f"{path}: {path.stat().st_size} bytes", flush=True)


def measure(task, arguments, steps):
    """The exact results, those of float32 where no tie is decided otherwise, and the ties."""
    exact, single = run(task, arguments, torch.float64, steps), run(task, arguments, torch.float32, 1)
    found = ties(exact, single)
    return exact, run(task, arguments, torch.float32, steps, [seen > 0 for seen in exact["seen"]]), found


def full(name):
    batch, size, classes = 4, 64, 200
    arguments = (name, classes, size)
    task = Task(batch, size, classes)
    exact, single, _ = measure(task, arguments, 3)
    net = make(*arguments)
    parameters = dict(net.named_parameters())
    zero = zero_gradients(net)
    tensors = []
    for key, value in net.state_dict().items():
        if key.endswith("num_batches_tracked"):
            continue
        row = {"name": key, "shape": list(value.shape), "kind": kind_of(key, value.shape)}
        row |= {"parameter": key in parameters, "decay": key in parameters and value.ndim > 1}
        tensors.append(row | ({"zero_gradient": True} if key in zero else {}))
    result = {
        "model": name, "batch": batch, "size": size, "classes": classes,
        "parameters": sum(p.numel() for p in parameters.values()),
        "labels": task.labels, "mixup_lambda": LAMBDA, "label_smoothing": SMOOTHING,
        "optimizer": {"name": "adamw", "lr": LR, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": DECAY},
        "tolerance": tolerances(exact, single, zero), "tensors": tensors,
        "logits_eval": rows(exact["logits_eval"], 2), "logits_train": rows(exact["logits_train"], 2),
        "losses": [digits(v) for v in exact["losses"]],
        "grads": {k: digest(v) for k, v in exact["grads"].items() if k not in zero},
        "running": {k: digest(v) for k, v in exact["running"].items()},
        "input": task.input, "labels_name": task.labels_name,
    }  # fmt: skip
    write(DATA / f"{name}.json", json.dumps(result, separators=(",", ":")))


def all_ties():
    lines = []
    for path in sorted(DATA.glob("*.json")):
        reference = json.loads(path.read_text())
        if "tensors" not in reference:
            continue
        size, classes = reference["size"], reference["classes"]
        task = Task(reference["batch"], size, classes)
        if "input" in reference:
            task = Task(reference["batch"], size, classes, reference["input"].removesuffix("input"))
        arguments = (reference["model"], classes, size)
        exact, single = run(task, arguments, torch.float64, 1), run(task, arguments, torch.float32, 1)
        assert abs(exact["losses"][0] / reference["losses"][0] - 1) < 1e-8, path
        found = ties(exact, single)
        print(f"  {path.stem}: {len(found)} ties", flush=True)
        lines.append(f'"{path.stem}":{json.dumps(found, separators=(",", ":"))}')
    write(DATA / "ties.json", "{\n" + ",\n".join(lines) + "\n}")


REFERENCE = ["resnet18", "resnet34", "seresnet18", "seresnet34", "skresnet18", "skresnet34", "seresnext26d_32x4d"]
# Model, size, stem, whether there is a pool behind it.
CASES = [(name, size, "own", True) for name in REFERENCE for size in (32, 48, 96)]
CASES += [("myresnet-small", size, "own", True) for size in (32, 64, 96)] + [("myresnet-base", 64, "own", True)]
CASES += [("seresnext26d_32x4d", 33, "own", True), ("resnet26d", 45, "own", True), ("skresnet18", 35, "own", True)]
CASES += [("resnet18", 64, "7x7", True), ("seresnet18", 64, "deep", True), ("resnet18", 32, "own", False)]
CASES += [("skresnet18", 64, "7x7", False), ("seresnext26d_32x4d", 40, "3x3", True), ("resnet26d", 32, "deep", False)]
DIGESTS = 8  # tensors of each kind whose digest is kept


def cases():
    lines = []
    for name, size, stem, pool in CASES:
        batch, classes = 3, 10
        arguments = (name, classes, size, stem, pool)
        task = Task(batch, size, classes, f"{name} {size} {stem}:")
        exact, single, found = measure(task, arguments, 1)
        zero = zero_gradients(make(*arguments))

        def some(what):
            keys = [k for k in exact[what] if k not in zero]
            picked = [keys[round(i * (len(keys) - 1) / (DIGESTS - 1))] for i in range(DIGESTS)]
            return {k: digest(exact[what][k]) for k in picked}

        case = {"model": name, "batch": batch, "size": size, "classes": classes}
        case |= {"stem": stem, "stem_pool": pool, "input": task.input, "labels_name": task.labels_name}
        case |= {"labels": task.labels, "mixup_lambda": LAMBDA, "label_smoothing": SMOOTHING}
        case |= {"tolerance": tolerances(exact, single, zero)}
        case |= {"logits_eval": rows(exact["logits_eval"], batch), "logits_train": rows(exact["logits_train"], batch)}
        case |= {"losses": [digits(v) for v in exact["losses"]], "grads": some("grads"), "running": some("running")}
        case |= {"ties": found}
        print(f"  {name} {size} {stem} {pool}: {len(found)} ties, {case['tolerance']}", flush=True)
        lines.append(json.dumps(case, separators=(",", ":")))
    write(DATA / "cases.json", "[\n" + ",\n".join(lines) + "\n]")


BF16_BATCH = 16  # with four images batch norm over maps of one pixel makes chaos of rounding


def bf16(name):
    """For each tensor ‖gradient in bfloat16 − exact one‖ ÷ ‖exact one‖, as autocast computes it."""
    path = DATA / "bf16.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    reference = json.loads((DATA / f"{name}.json").read_text())
    prefix = reference.get("input", "input").removesuffix("input")
    task = Task(BF16_BATCH, reference["size"], reference["classes"], prefix)
    arguments = (name, reference["classes"], reference["size"])
    exact = run(task, arguments, torch.float64, 1)
    with torch.autocast("cpu", torch.bfloat16):
        half = run(task, arguments, torch.float32, 1)
    off = lambda a, b: float("%.3g" % ((a - b).norm() / b.norm()))
    zero = zero_gradients(make(*arguments))
    total = lambda grads: torch.cat([g.flatten() for g in grads.values()])
    a, b = total(half["grads"]), total(exact["grads"])
    loss_off = half["losses"][0] / exact["losses"][0] - 1
    print(f"  {name}: all gradients {off(a, b)}, their norm {a.norm() / b.norm() - 1:.2g}, loss {loss_off:.2g}")
    known |= {"batch": BF16_BATCH}
    known |= {name: {k: off(half["grads"][k], v) for k, v in exact["grads"].items() if k not in zero}}
    lines = [f'"{key}":{json.dumps(value, separators=(",", ":"))}' for key, value in known.items()]
    write(path, "{\n" + ",\n".join(lines) + "\n}")


def main():
    torch.set_num_threads(2)
    what, names = (sys.argv[1] if len(sys.argv) > 1 else ""), sys.argv[2:]
    if what == "full" and names:
        for name in names:
            full(name)
    elif what == "ties" and not names:
        all_ties()
    elif what == "cases" and not names:
        cases()
    elif what == "bf16" and names:
        for name in names:
            bf16(name)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
