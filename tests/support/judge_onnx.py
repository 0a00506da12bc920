#!/usr/bin/env python3
"""ONNX Runtime as judge of exported models.

    judge_onnx.py FILE.onnx LOGITS IMAGES

Checks FILE with the onnx package where that is there; runs it on the images of a folder, prepared with numpy by what its
metadata says, in batches of 1 and of 32, and compares with the logits of `ocelli eval`; then on the image of its own
formula, and compares with the logits that the metadata have of it. All within 1e-4 of the largest logit.
"""

import json
import pathlib
import sys

import numpy as np
import onnxruntime
from PIL import Image
from safetensors import safe_open

TOLERANCE = 1e-4


def pixels_of(names, images):
    paths = {p.name: p for p in pathlib.Path(images).rglob("*") if p.is_file()}
    return np.stack([np.asarray(Image.open(paths[pathlib.Path(n).name]).convert("RGB")) for n in names])


def prepared(pixels, meta):
    if meta["preprocessing"].startswith("inside"):
        return pixels
    mean, std = (np.array(json.loads(meta[key]), dtype=np.float32) for key in ("mean", "std"))
    values = (pixels.astype(np.float32) / 255 - mean) / std
    return np.ascontiguousarray(values.transpose(0, 3, 1, 2))


def formula(size):
    y, x, c = np.meshgrid(np.arange(size), np.arange(size), np.arange(3), indexing="ij")
    return ((31 * y + 17 * x + 101 * c + x * y) % 256).astype(np.uint8)[None]


def error(ours, theirs):
    return float(np.abs(ours - theirs).max() / np.abs(ours).max())


def main(path, logits_path, images):
    checked = "not checked: no package onnx"
    try:
        import onnx

        onnx.checker.check_model(path, full_check=True)
        checked = "checked"
    except ImportError:
        pass
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    meta = session.get_modelmeta().custom_metadata_map
    with safe_open(logits_path, "np") as file:
        ours = file.get_tensor("logits").astype(np.float64)
        names, classes = (json.loads(file.metadata()[key]) for key in ("names", "classes"))
    assert classes == json.loads(meta["classes"]), "the classes are others, or in another order"
    batch = prepared(pixels_of(names, images), meta)
    worst = []
    for rows in (1, 32):
        theirs = [session.run(["logits"], {"images": batch[i : i + rows]})[0] for i in range(0, len(batch), rows)]
        worst.append(error(ours, np.concatenate(theirs)))
    reference = np.array(json.loads(meta["reference_logits"]))[None]
    worst.append(error(reference, session.run(["logits"], {"images": prepared(formula(int(meta["size"])), meta)})[0]))
    texts = ", ".join(f"{w:.2g}" for w in worst)
    print(f"{meta['model']}: {len(names)} images; batches of 1, of 32, reference: {texts}; {checked}")
    sys.exit(0 if max(worst) < TOLERANCE else 1)


if __name__ == "__main__":
    main(*sys.argv[1:])
