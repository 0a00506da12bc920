#!/usr/bin/env python3
"""Training throughput of Ocelli beside PyTorch on the same model, the same machine, in the same run.

Ocelli's step includes preparing its batch (decoded images, the whole augmentation, mixup); PyTorch gets one batch that
lies in memory. Both run forward, loss with soft targets, backward and AdamW in fp32 on all processors. PyTorch's
variants (plain, channels_last, traced, both; waiting threads spinning or asleep) are tried first and its fastest is
taken; then the two alternate for some rounds, and the medians are compared. Run it on an otherwise idle machine.

Where torch cannot be imported (Debian: python3-torch), this says so in one line and ends well.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

SYSTEM_PYTHON = "/usr/bin/python3"

try:
    import torch
    from torch import nn
    from torch.nn import functional
except ImportError:
    # Debian's torch belongs to Debian's python, which need not be the first on the path.
    if os.path.exists(SYSTEM_PYTHON) and os.path.realpath(sys.executable) != os.path.realpath(SYSTEM_PYTHON):
        os.execv(SYSTEM_PYTHON, [SYSTEM_PYTHON] + sys.argv)
    print("compare_pytorch: skipped, torch cannot be imported (Debian: python3-torch)")
    sys.exit(0)

PLANES = {"myresnet-small": 32, "myresnet-base": 64}


def block(inputs, outputs, pool):
    layers = [nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.MaxPool2d(2)) if pool else nn.Sequential(*layers)


class Residual(nn.Module):
    """ReLU(x + bn(conv(ReLU(bn(conv(x)))))), to which the network adds x once more."""

    def __init__(self, planes):
        super().__init__()
        self.first = nn.Sequential(
            nn.Conv2d(planes, planes, 3, padding=1), nn.BatchNorm2d(planes), nn.ReLU(inplace=True)
        )
        self.second = nn.Sequential(nn.Conv2d(planes, planes, 3, padding=1), nn.BatchNorm2d(planes))

    def forward(self, x):
        return functional.relu(x + self.second(self.first(x))) + x


def myresnet(p, classes, size):
    return nn.Sequential(
        block(3, p, False),
        block(p, 2 * p, True),
        Residual(2 * p),
        block(2 * p, 4 * p, True),
        block(4 * p, 8 * p, True),
        Residual(8 * p),
        block(8 * p, 16 * p, True),
        Residual(16 * p),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(16 * p * (size // 32) ** 2, classes),
    )


class Trainer:
    """One variant of training in PyTorch."""

    def __init__(self, model, args, channels_last, traced):
        torch.manual_seed(0)
        layout = torch.channels_last if channels_last else torch.contiguous_format
        self.batch = args.batch_size
        self.images = torch.randn(args.batch_size, 3, args.size, args.size).contiguous(memory_format=layout)
        self.targets = functional.one_hot(torch.randint(args.classes, (args.batch_size,)), args.classes).float()
        self.targets = 0.7 * self.targets + 0.3 * self.targets.flip(0)
        net = myresnet(PLANES[model], args.classes, args.size).to(memory_format=layout).train()
        self.net = torch.jit.trace(net, self.images, check_trace=False) if traced else net
        decayed = [p for p in self.net.parameters() if p.ndim > 1]
        plain = [p for p in self.net.parameters() if p.ndim <= 1]
        groups = [{"params": decayed, "weight_decay": 0.01}, {"params": plain, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=1e-3)

    def step(self):
        loss = functional.cross_entropy(self.net(self.images), self.targets, label_smoothing=0.01)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()

    def images_per_second(self, steps):
        times = []
        for _ in range(steps):
            begin = time.perf_counter()
            self.step()
            times.append(time.perf_counter() - begin)
        return self.batch / statistics.median(times)


VARIANTS = {
    "plain": (False, False),
    "channels_last": (True, False),
    "traced": (False, True),
    "traced channels_last": (True, True),
}
# libgomp reads its settings when it is loaded: each gets a process of its own.
WAITING = {"spinning": {}, "asleep": {"OMP_WAIT_POLICY": "passive"}}


def work(args):
    """The worker's side: "VARIANT,STEPS" lines come in, images a second go out."""
    torch.set_num_threads(args.threads)
    trainers = {}
    for line in sys.stdin:
        variant, steps = line.strip().split(",")
        if variant not in trainers:
            trainers.clear()
            trainers[variant] = Trainer(args.worker, args, *VARIANTS[variant])
            trainers[variant].images_per_second(2)
        print(trainers[variant].images_per_second(int(steps)), flush=True)


class Worker:
    """A process in which PyTorch trains."""

    def __init__(self, model, args, waiting):
        command = [sys.executable, os.path.abspath(__file__), "--worker", model]
        for name in ("batch_size", "size", "classes", "threads"):
            command += ["--" + name.replace("_", "-"), str(getattr(args, name))]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **WAITING[waiting]}
        )

    def images_per_second(self, variant, steps):
        self.process.stdin.write(f"{variant},{steps}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def best_torch(model, args):
    """The fastest variant's name, and the worker that has it."""
    best = (0.0, "", "")
    for waiting in WAITING:
        worker = Worker(model, args, waiting)
        for variant in VARIANTS:
            speed = worker.images_per_second(variant, max(3, args.steps // 2))
            print(f"  torch {variant}, {waiting}: {speed:.1f} images/s", flush=True)
            best = max(best, (speed, variant, waiting))
        worker.close()
    return best[1], best[2], Worker(model, args, best[2])


def ocelli(model, args):
    command = [args.ocelli, "bench", "--train", "--model", model, "--json", "--steps", str(args.steps)]
    command += ["--batch-size", str(args.batch_size), "--size", str(args.size), "--classes", str(args.classes)]
    command += ["--threads", str(args.threads)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    return json.loads(output)[0]["training"]


def compare(model, args):
    print(model, flush=True)
    variant, waiting, torch_worker = best_torch(model, args)
    ours, theirs, results = [], [], []
    for number in range(args.rounds):
        results.append(ocelli(model, args))
        ours.append(results[-1]["images_per_second"])
        torch_worker.images_per_second(variant, 1)  # its threads and caches have been idle
        theirs.append(torch_worker.images_per_second(variant, args.steps))
        print(f"  round {number + 1}: ocelli {ours[-1]:.1f}, torch {theirs[-1]:.1f} images/s", flush=True)
    torch_worker.close()
    ratio = statistics.median(ours) / statistics.median(theirs)
    print(f"  ocelli is {ratio:.2f} times as fast as torch ({variant}, {waiting})", flush=True)
    return (
        f"| {model} | {statistics.median(ours):.1f} | {statistics.median(theirs):.1f} ({variant}, {waiting}) | {ratio:.2f} | "
        f"{100 * statistics.median(r['peak_share'] for r in results):.0f} % | "
        f"{100 * statistics.median(r['data_share'] for r in results):.1f} % |"
    )


def processor():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return "unknown processor"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    parser.add_argument("--ocelli", default=os.path.join(root, "build", "ocelli"), help="the command")
    parser.add_argument("--model", action="append", choices=sorted(PLANES), help="may be repeated; all unless given")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--classes", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=8, help="timed steps a round")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--out", help="also write the table to this markdown file")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        work(args)
        return
    if not os.access(args.ocelli, os.X_OK):
        parser.error(f"{args.ocelli} cannot be run: build first, or give --ocelli")

    rows = [compare(model, args) for model in args.model or sorted(PLANES, reverse=True)]
    table = "\n".join(
        [
            f"Training, fp32, batch {args.batch_size} of 3x{args.size}x{args.size}, {args.threads} threads of "
            f"{processor()}; medians of {args.rounds} alternating rounds of {args.steps} steps; "
            f"torch {torch.__version__}, its fastest variant.",
            "",
            "| model | Ocelli images/s | torch images/s | ratio | Ocelli's GFLOP/s, counted as direct convolutions, of the FMA peak | share of a step in preparing data |",
            "| --- | --- | --- | --- | --- | --- |",
            *rows,
        ]
    )
    print("\n" + table)
    if args.out:
        with open(args.out, "w", encoding="utf-8") as file:
            file.write(table + "\n")


if __name__ == "__main__":
    main()
