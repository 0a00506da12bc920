#!/usr/bin/env python3
"""Ocelli's inference beside ONNX Runtime's: the same models, the same machine, in the same run.

Each model is exported by torch.onnx, for batches of --batch-size and of one, in fp32. ONNX Runtime's settings (threads
that wait spinning or asleep, all of them or one) are tried first and its quickest is taken; then the two alternate for
some rounds, and the medians of the time of one pass are compared. ONNX Runtime cannot be capped as OC_CPU caps Ocelli.
Run it on an otherwise idle machine: rounds that `ocelli bench` does not trust are counted.

Progress goes to standard error, the table to standard output. Where torch, onnx or onnxruntime cannot be imported (pip
install torch onnx onnxruntime), or timm for its models, this says so in one line.
"""

import inspect
import json
import os
import statistics
import tempfile
import time

import peers


def export(model, batch, args, path):
    """The model for batches of that size as an ONNX file."""
    import torch

    torch.manual_seed(0)
    net = peers.make(model, args.classes, args.size).eval()
    images = torch.randn(batch, 3, args.size, args.size)
    # The exporter by tracing, which needs no further package and is the only one that older versions have.
    tracing = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}
    torch.onnx.export(net, (images,), path, input_names=["images"], output_names=["logits"], **tracing)


# ---- The worker: one process of ONNX Runtime ----


def work(args):
    """Answers {threads, spinning, steps} with {seconds, memory}; {about} with the version."""
    import numpy
    import onnxruntime

    images = numpy.random.default_rng(0).standard_normal(args["shape"], dtype=numpy.float32)
    session, made_for = None, None

    def one_pass():
        begin = time.perf_counter()
        session.run(None, {"images": images})
        return time.perf_counter() - begin

    def answer(question):
        nonlocal session, made_for
        if "about" in question:
            return {"onnxruntime": onnxruntime.__version__}
        wanted = (question["threads"], question["spinning"])
        if made_for != wanted:
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads, options.inter_op_num_threads = wanted[0], 1
            options.add_session_config_entry("session.intra_op.allow_spinning", "1" if wanted[1] else "0")
            session = onnxruntime.InferenceSession(args["path"], options, providers=["CPUExecutionProvider"])
            made_for = wanted
        for _ in range(2):
            one_pass()  # its threads and caches have been idle
        seconds = statistics.median(one_pass() for _ in range(question["steps"]))
        return {"seconds": seconds, "memory": peers.peak_memory()}

    peers.answer_questions(answer)


# ---- Comparing ----


def worker_of(args, batch, path):
    return peers.Worker({"path": path, "shape": [batch, 3, args.size, args.size]}, {})


def best_setting(args, batch, path):
    settings = [(threads, spinning) for threads in sorted({args.threads, 1}, reverse=True) for spinning in (True, False)]
    worker = worker_of(args, batch, path)
    found = peers.best(
        settings, lambda s: worker.ask(threads=s[0], spinning=s[1], steps=max(3, peers.steps_of(args, batch) // 2))
    )
    worker.close()
    return found and found[1]


def compare(args, model, batch, path):
    peers.say(f"{model}, batch {batch}")
    export(model, batch, args, path)
    setting = best_setting(args, batch, path)
    if not setting:
        return None
    threads, spinning = setting
    # A fresh process, so that its memory is that of this setting; it starts before Ocelli does.
    worker = worker_of(args, batch, path)
    worker.measure(threads=threads, spinning=spinning, steps=1)
    ours, theirs, untrusted = [], [], 0
    for number in range(args.rounds):
        result = peers.ocelli(args, model, batch, "--infer")
        untrusted += not result["trusted"]
        ours.append(next(part for part in result["inference"] if part["batch_size"] == batch))
        theirs.append(worker.measure(threads=threads, spinning=spinning, steps=peers.steps_of(args, batch)))
        peers.say(
            f"  round {number + 1}: ocelli {1e3 * ours[-1]['step_seconds']['median']:.2f} ms, "
            f"onnxruntime {1e3 * theirs[-1]['seconds']:.2f} ms" + "".join(f"; {d}" for d in result["doubts"])
        )
    worker.close()
    return {
        "ours": [part["step_seconds"]["median"] for part in ours],
        "theirs": [answer["seconds"] for answer in theirs],
        "setting": f"{threads} thread{'s' if threads > 1 else ''}, {'spinning' if spinning else 'asleep'}",
        "floor": statistics.median(part["floor_share"] for part in ours),
        "memory": (max(part["memory_bytes"] for part in ours), max(answer["memory"] for answer in theirs)),
        "untrusted": untrusted,
    }


HEAD = ["model", "batch", "Ocelli ms", "ONNX Runtime ms", "its setting", "Ocelli images/s", "ONNX Runtime images/s"]
HEAD += ["ratio", "of the bare floor", "Ocelli MiB", "ONNX Runtime MiB", "disturbed rounds"]


def ratio_of(comparison):
    return statistics.median(comparison["theirs"]) / statistics.median(comparison["ours"])


def row(model, batch, c):
    ours, theirs = c["memory"]
    return [
        model,
        batch,
        peers.spread(1e3 * seconds for seconds in c["ours"]),
        peers.spread(1e3 * seconds for seconds in c["theirs"]),
        c["setting"],
        f"{batch / statistics.median(c['ours']):.1f}",
        f"{batch / statistics.median(c['theirs']):.1f}",
        f"{ratio_of(c):.2f}",
        f"{100 * c['floor']:.1f} %",
        f"{ours / 2**20:.0f}",
        f"{theirs / 2**20:.0f}",
        c["untrusted"],
    ]


def main():
    command = peers.parser(__doc__.split("\n", maxsplit=1)[0])
    args = command.parse_args()
    if args.worker:
        work(json.loads(args.worker))
        return
    args.precision = "fp32"
    models = args.model or peers.MODELS
    peers.require("torch", "onnx", "onnxruntime", package="pip install torch onnx onnxruntime")
    if any(model in peers.TIMM for model in models):
        peers.require("timm", package="pip install timm; --model myresnet-small does without")
    peers.check(args, command)
    import onnxruntime

    rows, means = [], []
    with tempfile.TemporaryDirectory() as folder:
        for batch in sorted({args.batch_size, 1}, reverse=True):
            found = {m: compare(args, m, batch, os.path.join(folder, f"{m}.onnx")) for m in models}
            found = {model: comparison for model, comparison in found.items() if comparison}
            rows += [row(model, batch, comparison) for model, comparison in found.items()]
            if found:
                means.append(f"batch {batch}: {peers.geometric_mean([ratio_of(c) for c in found.values()]):.2f}")
    print(f"Inference, fp32, {peers.conditions(args)}; ONNX Runtime {onnxruntime.__version__}, its quickest setting.\n")
    print(peers.table(HEAD, rows, args.markdown))
    print(f"\nGeometric mean of the ratios: {', '.join(means) or 'none'}.")


if __name__ == "__main__":
    main()
