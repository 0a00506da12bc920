#!/usr/bin/env python3
"""Deployments of a certified model by ONNX Runtime, right and deliberately wrong, by other code than the certificate's.

    judge_certificate.py DIR MISTAKE OUT.csv      the logits of the certificate's images, with that mistake
    judge_certificate.py csv LOGITS OUT.csv       those of `ocelli eval --save-logits`

MISTAKE is pillow (none, but that Pillow resizes), bgr, undivided, imagenet, half, nearest, bicubic, aliased, crop, squash,
order, float16 (of the weights), weights (other ones).
"""

import json
import pathlib
import random
import sys

import numpy as np
import onnxruntime
from PIL import Image


def aliased(image, size):
    """Bilinear between four pixels, as OpenCV's INTER_LINEAR."""
    pixels = np.asarray(image, dtype=np.float64)
    for axis, after in ((0, size[1]), (1, size[0])):
        before = pixels.shape[axis]
        at = np.clip((np.arange(after) + 0.5) * before / after - 0.5, 0, before - 1)
        low = np.floor(at).astype(int)
        part = (at - low).reshape([-1 if a == axis else 1 for a in range(3)])
        pixels = (1 - part) * pixels.take(low, axis) + part * pixels.take(np.minimum(low + 1, before - 1), axis)
    return Image.fromarray((pixels + 0.5).astype(np.uint8))


def resized(image, size, mistake):
    if mistake == "aliased":
        return aliased(image, size)
    return image.resize(size, {"nearest": Image.NEAREST, "bicubic": Image.BICUBIC}.get(mistake, Image.BILINEAR))


def square(image, fit, size, mistake):
    width, height = image.size
    if fit == "squash":
        return resized(image, (size, size), mistake)
    limit, shorter = size * 5 // 4, min(width, height)
    if mistake == "crop":
        limit = size
    if shorter > limit or mistake == "crop":
        image = resized(image, (round(width * limit / shorter), round(height * limit / shorter)), mistake)
    side = min(size, *image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    image = image.crop((left, top, left + side, top + side))
    return image if side == size else resized(image, (size, size), mistake)


def prepared(path, how, mistake):
    fit = mistake if mistake in ("crop", "squash") else how["fit"]
    image = square(Image.open(path).convert("RGB"), fit, how["size"], mistake)
    values = np.asarray(image, dtype=np.float32)
    if mistake == "bgr":
        values = values[:, :, ::-1]
    mean, std = np.float32(how["mean"]), np.float32(how["std"])
    if mistake == "imagenet":
        mean, std = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
    if mistake == "half":
        mean = std = np.float32(0.5)
    values = (values / np.float32(1 if mistake == "undivided" else 255) - mean) / std
    return np.ascontiguousarray(values.transpose(2, 0, 1))[None].astype(np.float32)


def changed(path, mistake):
    """The model with rounded weights, or others."""
    import onnx

    model = onnx.load(path)
    for tensor in model.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and (mistake == "float16" or values.ndim > 1):
            values = values.astype(np.float16).astype(np.float32) if mistake == "float16" else -values[::-1]
            tensor.CopyFrom(onnx.numpy_helper.from_array(np.ascontiguousarray(values), tensor.name))
    return model.SerializeToString()


def write(out, names, logits):
    with open(out, "w", encoding="utf-8") as file:
        for name, row in zip(names, logits):
            file.write(",".join([name] + [f"{value:.9g}" for value in row]) + "\n")


def main(folder, mistake, out):
    if folder == "csv":
        from safetensors import safe_open

        with safe_open(mistake, "np") as file:
            return write(out, json.loads(file.metadata()["names"]), file.get_tensor("logits"))
    folder = pathlib.Path(folder)
    certificate = json.loads((folder / "certificate.json").read_text(encoding="utf-8"))
    model = str(folder / "model.onnx")
    if mistake in ("float16", "weights"):
        model = changed(model, mistake)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    names = [entry["file"] for entry in certificate["images"]]
    batches = [prepared(folder / name, certificate["preprocessing"], mistake) for name in names]
    logits = np.concatenate([session.run(["logits"], {"images": batch})[0] for batch in batches])
    if mistake == "order":
        order = list(range(logits.shape[1]))
        random.Random(3).shuffle(order)
        logits = logits[:, order]
    return write(out, names, logits)


if __name__ == "__main__":
    main(*sys.argv[1:])
