"""What the comparisons with other programs share: the reference models as torch modules, running `ocelli bench` and a
worker process beside each other, the cap of OC_CPU for both, and the table."""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys

PLANES = {"myresnet-tiny": 4, "myresnet-small": 32, "myresnet-base": 64}
TIMM = ["seresnet18", "seresnet34", "skresnet18", "seresnext26d_32x4d"]
MODELS = ["myresnet-small", "myresnet-base", *TIMM]  # what is compared unless --model says otherwise
SYSTEM_PYTHON = "/usr/bin/python3"


# ---- Which python, and what it may use of the processor ----


def skip(reason):
    print(f"{os.path.basename(sys.argv[0])}: skipped, {reason}")
    sys.exit(0)


def require(*names, package):
    """Ends well, with one line, where one of the modules cannot be imported."""
    for name in names:
        try:
            __import__(name)
        except ImportError:
            # Debian's torch belongs to Debian's python, which need not be the first on the path.
            if os.path.exists(SYSTEM_PYTHON) and os.path.realpath(sys.executable) != os.path.realpath(SYSTEM_PYTHON):
                os.execv(SYSTEM_PYTHON, [SYSTEM_PYTHON] + sys.argv)
            skip(f"{name} cannot be imported ({package})")


# oneDNN's, ATen's and MKL's names for the instruction sets that OC_CPU names.
CAPS = {
    "baseline": ("SSE41", "default", "SSE4_2"),
    "avx2": ("AVX2", "avx2", "AVX2"),
    "avx512": ("AVX512_CORE", "avx512", "AVX512"),
    "avx512_bf16": ("AVX512_CORE_BF16", "avx512", "AVX512"),
}


def capped_environment(more):
    """The environment of a peer: with OC_CPU it gets no more of the processor than Ocelli."""
    environment = {**os.environ, **more}
    names = CAPS.get(os.environ.get("OC_CPU", ""))
    if names:
        for variable, value in zip(("ONEDNN_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY", "MKL_ENABLE_INSTRUCTIONS"), names):
            environment.setdefault(variable, value)
    return environment


def processor():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return "unknown processor"


# ---- Models; torch is imported where they are made ----


def myresnet(planes, classes, size):
    from torch import nn
    from torch.nn import functional

    class Residual(nn.Module):
        """ReLU(x + bn(conv(ReLU(bn(conv(x)))))), to which the network adds x once more."""

        def __init__(self, channels):
            super().__init__()
            self.first = nn.Sequential(
                nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU(inplace=True)
            )
            self.second = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels))

        def forward(self, x):
            return functional.relu(x + self.second(self.first(x))) + x

    def block(inputs, outputs, pool):
        layers = [nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
        return nn.Sequential(*layers, nn.MaxPool2d(2)) if pool else nn.Sequential(*layers)

    p = planes
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


def make(name, classes, size):
    """The model of that name with torch's own first weights; timm's with the stems that Ocelli gives them."""
    if name in PLANES:
        return myresnet(PLANES[name], classes, size)
    import timm
    from torch import nn

    net = timm.create_model(name, num_classes=classes)
    if "26d" not in name:  # which keeps its deep stem
        net.conv1 = nn.Conv2d(3, 64, 3, stride=1, padding=1, bias=False)
    return net


# ---- Running both ----


def steps_of(args, batch):
    """Timed steps a round: more of single images, which take little and vary more."""
    return args.steps * (10 if batch == 1 else 1)


def ocelli(args, model, batch, flag):
    """What `ocelli bench` says of the model."""
    command = [args.ocelli, "bench", "--model", model, "--json", "--steps", str(steps_of(args, batch)), "--threads"]
    command += [str(args.threads), "--size", str(args.size), "--classes", str(args.classes)]
    command += ["--batch-size", str(batch), "--precision", args.precision, flag]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    return json.loads(output)[0]


class Worker:
    """A process of the same script that answers each line of JSON with another, see answer_questions."""

    def __init__(self, arguments, environment):
        self.process = subprocess.Popen(
            [sys.executable, os.path.abspath(sys.argv[0]), "--worker", json.dumps(arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=capped_environment(environment),
        )

    def ask(self, **question):
        """The answer; None where there was none, because the process has ended."""
        try:
            self.process.stdin.write(json.dumps(question) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return None
        line = self.process.stdout.readline()
        return json.loads(line) if line else None

    def measure(self, **question):
        """The answer to a question that was answered before: without one there is nothing to compare."""
        answer = self.ask(**question)
        if not answer or "error" in answer:
            sys.exit(f"{os.path.basename(sys.argv[0])}: {question}: {(answer or {}).get('error', 'the worker has ended')}")
        return answer

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def peak_memory():
    """The most that this process had resident, bytes. getrusage would count what its parent had before it."""
    with open("/proc/self/status", encoding="utf-8") as file:
        return next(1024 * int(line.split()[1]) for line in file if line.startswith("VmHWM:"))


def answer_questions(answer):
    """The worker's side: answer(question) for each line of standard input."""
    to = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), file=to, flush=True)


def best(settings, measure):
    """(seconds, setting) of the quickest, None where none works; those that do not are told."""
    found = None
    for setting in settings:
        result = measure(setting)
        if not result or "error" in result:
            say(f"    {setting}: does not work: {(result or {}).get('error', 'its process ended')}")
            continue
        say(f"    {setting}: {1e3 * result['seconds']:.2f} ms")
        if not found or result["seconds"] < found[0]:
            found = (result["seconds"], setting)
    return found


# ---- Telling ----


def say(text):
    print(text, file=sys.stderr, flush=True)


def geometric_mean(values):
    return math.exp(statistics.fmean(math.log(value) for value in values))


def spread(values):
    """The median, and in brackets the range of the rounds."""
    values = list(values)
    return f"{statistics.median(values):.1f} ({min(values):.1f} to {max(values):.1f})"


def table(head, rows, markdown):
    """As Markdown, or in aligned columns."""
    if markdown:
        lines = [head, ["---"] * len(head), *rows]
        return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
    widths = [max(len(str(line[i])) for line in [head, *rows]) for i in range(len(head))]
    return "\n".join("  ".join(str(cell).ljust(width) for cell, width in zip(line, widths)).rstrip() for line in [head, *rows])


def parser(description):
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    result = argparse.ArgumentParser(description=description)
    known = sorted([*PLANES, *TIMM])
    result.add_argument("--ocelli", default=os.path.join(root, "build", "ocelli"), help="the command")
    result.add_argument("--model", action="append", choices=known, help="may be repeated; six unless given")
    result.add_argument("--batch-size", type=int, default=64)
    result.add_argument("--size", type=int, default=64)
    result.add_argument("--classes", type=int, default=200)
    result.add_argument("--rounds", type=int, default=5)
    result.add_argument("--steps", type=int, default=8, help="timed steps a round")
    result.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    result.add_argument("--markdown", action="store_true", help="the table for results/speed.md")
    result.add_argument("--worker", help=argparse.SUPPRESS)
    return result


def check(args, command):
    if not os.access(args.ocelli, os.X_OK):
        command.error(f"{args.ocelli} cannot be run: build first, or give --ocelli")


def conditions(args):
    cap = os.environ.get("OC_CPU")
    return (
        f"{args.size}x{args.size}, {args.classes} classes, {args.threads} threads of {processor()}"
        + (f", all capped by OC_CPU={cap}" if cap else "")
        + f"; medians of {args.rounds} alternating rounds of {args.steps} steps"
    )
