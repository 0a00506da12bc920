#!/usr/bin/env python3
"""Ocelli beside PyTorch: the same models, the same machine, in the same run.

Training: Ocelli's step includes preparing its batch (decoded images, the whole augmentation, mixup); PyTorch gets one
batch that lies in memory. Both run forward, loss with soft targets, backward and AdamW. With --infer both classify, in
batches of --batch-size and of one. PyTorch's settings (contiguous or channels_last; eager or compiled; waiting threads
asleep or spinning) are tried first, in --precision, and --against another; its quickest is taken. Then the two alternate
for some rounds, and the medians are compared. Memory is the most that a fresh process had at once. Where OC_CPU caps
Ocelli, PyTorch is capped too. Run it on an otherwise idle machine: rounds that `ocelli bench` does not trust are counted.

Progress goes to standard error, the table to standard output. Where torch cannot be imported (Debian: python3-torch), or
timm for its models, this says so in one line.
"""

import itertools
import json
import statistics
import time

import peers

LAYOUTS = ["contiguous", "channels_last"]
# libgomp reads its settings when it is loaded: each way of waiting gets a process of its own. By default its threads
# spin for some milliseconds before they sleep; spinning for ever, they would disturb Ocelli's rounds.
WAITING = {"asleep": {"OMP_WAIT_POLICY": "passive"}, "spinning": {}}


# ---- The worker: one process of PyTorch ----


class Subject:
    """A model in one setting, and what is timed of it."""

    def __init__(self, args, precision, layout, compiled):
        import torch

        torch.manual_seed(0)
        torch.set_num_threads(args["threads"])
        self.infer, self.half = args["infer"], precision == "bf16"
        memory = torch.channels_last if layout == "channels_last" else torch.contiguous_format
        shape = (args["batch_size"], 3, args["size"], args["size"])
        self.images = torch.randn(shape).contiguous(memory_format=memory)
        net = peers.make(args["model"], args["classes"], args["size"]).to(memory_format=memory)
        if self.infer:
            net = net.eval()
            if self.half:
                net, self.images = net.to(torch.bfloat16), self.images.to(torch.bfloat16)
        else:
            self.prepare_training(net.train(), args)
        self.net = torch.compile(net) if compiled else net

    def prepare_training(self, net, args):
        import torch
        from torch.nn import functional

        labels = torch.randint(args["classes"], (args["batch_size"],))
        targets = functional.one_hot(labels, args["classes"]).float()
        self.targets = 0.7 * targets + 0.3 * targets.flip(0)
        decayed = [p for p in net.parameters() if p.ndim > 1]
        plain = [p for p in net.parameters() if p.ndim <= 1]
        groups = [{"params": decayed, "weight_decay": 0.01}, {"params": plain, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=1e-3)

    def step(self):
        import torch
        from torch.nn import functional

        if self.infer:
            with torch.inference_mode():
                return self.net(self.images)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.half):
            loss = functional.cross_entropy(self.net(self.images).float(), self.targets, label_smoothing=0.01)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return loss

    def seconds(self, steps):
        times = []
        for _ in range(steps):
            begin = time.perf_counter()
            self.step()
            times.append(time.perf_counter() - begin)
        return statistics.median(times)


def work(args):
    """Answers {precision, layout, mode, steps}, a subject made anew where it is another one than before, with {seconds,
    memory}; {about} with the versions."""
    subject, made_for = None, None

    def answer(question):
        nonlocal subject, made_for
        import torch

        if "about" in question:
            return {"torch": torch.__version__, "onednn": onednn_version(torch)}
        wanted = [question[key] for key in ("precision", "layout", "mode")]
        try:
            if made_for != wanted:
                subject, made_for = None, wanted
                subject = Subject(args, wanted[0], wanted[1], wanted[2] == "compiled")
                subject.seconds(2)
            else:
                subject.seconds(1)  # its threads and caches have been idle
            seconds = subject.seconds(question["steps"])
        except Exception as error:  # pylint: disable=broad-except
            made_for = None
            return {"error": (str(error).strip() or repr(error)).splitlines()[0]}
        return {"seconds": seconds, "memory": peers.peak_memory()}

    peers.answer_questions(answer)


def onednn_version(torch):
    for line in torch.__config__.show().splitlines():
        if "MKL-DNN" in line:
            return line.split("MKL-DNN", 1)[1].split("(")[0].strip()
    return "unknown"


# ---- Comparing ----


def worker_of(args, model, batch, waiting):
    arguments = {"model": model, "batch_size": batch, "infer": args.infer}
    for name in ("size", "classes", "threads"):
        arguments[name] = getattr(args, name)
    # One thread compiles; more would stay and wait beside what is measured.
    return peers.Worker(arguments, {**WAITING[waiting], "TORCHINDUCTOR_COMPILE_THREADS": "1"})


def best_setting(args, model, batch, precision):
    """PyTorch's quickest (layout, mode, waiting), or None."""
    modes = ["eager"] if args.no_compile else ["eager", "compiled"]
    workers = {}

    def measure(setting):
        layout, mode, waiting = setting
        if waiting not in workers:
            for other in workers.values():
                other.close()
            workers.clear()
            workers[waiting] = worker_of(args, model, batch, waiting)
        return workers[waiting].ask(precision=precision, layout=layout, mode=mode, steps=max(3, peers.steps_of(args, batch) // 2))

    settings = [(layout, mode, wait) for wait, mode, layout in itertools.product(WAITING, modes, LAYOUTS)]
    found = peers.best(settings, measure)
    for worker in workers.values():
        worker.close()
    return found and found[1]


def part_of(result, batch):
    parts = result.get("inference") or [result["training"]]
    return next(part for part in parts if part["batch_size"] == batch)


def compare(args, model, batch, precision):
    """Alternating rounds of both; the comparison's numbers, or None where PyTorch cannot."""
    peers.say(f"{model}, batch {batch}, torch in {precision}")
    setting = best_setting(args, model, batch, precision)
    if not setting:
        return None
    layout, mode, waiting = setting
    # A fresh process, so that its memory is that of this setting; it starts before Ocelli does.
    worker = worker_of(args, model, batch, waiting)
    question = {"precision": precision, "layout": layout, "mode": mode}
    worker.measure(**question, steps=1)
    ours, theirs, untrusted = [], [], 0
    for number in range(args.rounds):
        result = peers.ocelli(args, model, batch, "--infer" if args.infer else "--train")
        untrusted += not result["trusted"]
        ours.append(part_of(result, batch))
        theirs.append(worker.measure(**question, steps=peers.steps_of(args, batch)))
        peers.say(
            f"  round {number + 1}: ocelli {ours[-1]['images_per_second']:.1f}, "
            f"torch {batch / theirs[-1]['seconds']:.1f} images/s" + "".join(f"; {d}" for d in result["doubts"])
        )
    worker.close()
    return {
        "ours": [part["images_per_second"] for part in ours],
        "theirs": [batch / answer["seconds"] for answer in theirs],
        "setting": ", ".join([precision, layout, mode, waiting]),
        "floor": statistics.median(part["floor_share"] for part in ours),
        "peak": statistics.median(part["peak_share"] for part in ours),
        "memory": (max(part["memory_bytes"] for part in ours), max(answer["memory"] for answer in theirs)),
        "untrusted": untrusted,
    }


HEAD = ["model", "batch", "Ocelli images/s", "PyTorch images/s", "PyTorch's setting", "ratio", "of the bare floor"]
HEAD += ["of the FMA peak", "Ocelli MiB", "PyTorch MiB", "ratio of memory", "disturbed rounds"]


def row(model, batch, c):
    ours, theirs = c["memory"]
    return [
        model,
        batch,
        peers.spread(c["ours"]),
        peers.spread(c["theirs"]),
        c["setting"],
        f"{ratio_of(c):.2f}",
        f"{100 * c['floor']:.1f} %",
        f"{100 * c['peak']:.0f} %",
        f"{ours / 2**20:.0f}",
        f"{theirs / 2**20:.0f}",
        f"{ours / theirs:.2f}",
        c["untrusted"],
    ]


def ratio_of(comparison):
    return statistics.median(comparison["ours"]) / statistics.median(comparison["theirs"])


def about(args):
    """PyTorch's versions, from a process that is capped as those that are measured."""
    worker = worker_of(args, "myresnet-tiny", 1, "asleep")
    versions = worker.ask(about=True) or {"torch": "unknown", "onednn": "unknown"}
    worker.close()
    return f"PyTorch {versions['torch']} with oneDNN {versions['onednn']}, its quickest setting"


def main():
    command = peers.parser(__doc__.split("\n", maxsplit=1)[0])
    command.add_argument("--precision", default="fp32", choices=["fp32", "bf16"], help="Ocelli's, and PyTorch's unless")
    command.add_argument("--against", choices=["fp32", "bf16"], help="PyTorch's precision is to be another")
    command.add_argument("--infer", action="store_true", help="inference, in batches of --batch-size and of one")
    command.add_argument("--no-compile", action="store_true", help="leave out torch.compile, which takes minutes")
    args = command.parse_args()
    if args.worker:
        work(json.loads(args.worker))
        return
    models = args.model or peers.MODELS
    peers.require("torch", package="Debian: python3-torch")
    if any(model in peers.TIMM for model in models):
        peers.require("timm", package="pip install timm; --model myresnet-small does without")
    peers.check(args, command)
    batches = sorted({args.batch_size, 1}, reverse=True) if args.infer else [args.batch_size]
    precision = args.against or args.precision
    rows, means = [], []
    for batch in batches:
        found = {model: compare(args, model, batch, precision) for model in models}
        found = {model: comparison for model, comparison in found.items() if comparison}
        rows += [row(model, batch, comparison) for model, comparison in found.items()]
        if found:
            means.append(f"batch {batch}: {peers.geometric_mean([ratio_of(c) for c in found.values()]):.2f}")
    what = "Inference" if args.infer else "Training"
    print(f"{what}, {args.precision}, {peers.conditions(args)}; {about(args)}.\n")
    print(peers.table(HEAD, rows, args.markdown))
    print(f"\nGeometric mean of the ratios: {', '.join(means) or 'none'}.")


if __name__ == "__main__":
    main()
