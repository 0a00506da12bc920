#!/usr/bin/env python3
"""Judges a deployment of the model by the certificate in this folder.

    check.py                      model.onnx of this folder, by ONNX Runtime, with the preprocessing below
    check.py OTHER.onnx           another ONNX file of the model, converted or quantised, in the same way
    check.py --logits FILE.csv    what any other program computed for the images: one line an image,
                                  name,logit0,logit1,...   (a first line with the names of the classes may be there)

Says in one line that all is right, and exits 0; or what is wrong and what likely causes it, and exits 1. `prepare` is
the preprocessing as readable code, for copying. Needs numpy, and, unless --logits is given, Pillow and onnxruntime.
"""

import argparse
import csv
import json
import pathlib
import sys

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent


# ---- Preprocessing -------------------------------------------------------------------------------------------------


def taps(before, after):
    """Bilinear resampling with antialiasing, half-pixel centres, of one axis: which places each of `after` results is
    made of, and their weights; both [most, after], what is not needed with weight 0."""
    scale = before / after
    support = max(scale, 1.0)  # half the width of the triangle
    centers = (np.arange(after) + 0.5) * scale
    first = np.maximum((centers - support + 0.5).astype(int), 0)
    end = np.minimum((centers + support + 0.5).astype(int), before)
    places = first + np.arange((end - first).max())[:, None]
    weights = np.where(places < end, np.maximum(0, 1 - np.abs(places + 0.5 - centers) / support), 0)
    return np.minimum(places, before - 1), (weights / weights.sum(axis=0)).astype(np.float32)


def resample(values, after):
    """The first axis of values [n, m, 3] to `after`, in float32 and in this order, so that it rounds as Ocelli does."""
    places, weights = taps(len(values), after)
    total = weights[0][:, None, None] * values[places[0]]
    for place, weight in zip(places[1:], weights[1:]):
        total += weight[:, None, None] * values[place]
    return total


def resize(image, width, height):
    """image [h, w, 3] uint8 to [height, width, 3] in [0, 1], not rounded: rows first, then columns."""
    values = image.astype(np.float32) / np.float32(255)
    return resample(resample(values.swapaxes(0, 1), width).swapaxes(0, 1), height)


def resize_to_bytes(image, width, height):
    return np.clip(resize(image, width, height) * np.float32(255) + np.float32(0.5), 0, 255).astype(np.uint8)


def in_proportion(length, to, of):
    return max(1, (2 * length * to + of) // (2 * of))


def keep(image, how):
    """The first step: what is kept of a large image."""
    height, width = image.shape[:2]
    limit, shorter, longer = how["kept"], min(width, height), max(width, height)
    if how["fit"] == "crop":
        if shorter <= limit:
            return image
        return resize_to_bytes(image, in_proportion(width, limit, shorter), in_proportion(height, limit, shorter))
    side = min(longer, limit)
    if how["fit"] == "squash":
        return resize_to_bytes(image, side, side)
    inner = resize_to_bytes(image, in_proportion(width, side, longer), in_proportion(height, side, longer))
    square = np.empty((side, side, 3), dtype=np.uint8)
    square[:] = how["background"]
    top, left = (side - inner.shape[0]) // 2, (side - inner.shape[1]) // 2
    square[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
    return square


def prepare(image, how):
    """image [h, w, 3] uint8 RGB to [3, size, size] float32, as the model wants it; `how`: the certificate's
    "preprocessing"."""
    image = keep(image, how)
    size = how["size"]
    if how["fit"] == "crop":
        side = min(size, *image.shape[:2])
        top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
        image = image[top : top + side, left : left + side]
    values = (resize(image, size, size) - how["mean"]) / how["std"]
    return values.transpose(2, 0, 1).astype(np.float32)


# ---- What is judged ------------------------------------------------------------------------------------------------


def run(model, certificate):
    """[images, classes]: what ONNX Runtime computes for the images."""
    import onnxruntime
    from PIL import Image

    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    source = session.get_inputs()[0]
    how = certificate["preprocessing"]
    rows = []
    for entry in certificate["images"]:
        image = np.asarray(Image.open(HERE / entry["file"]).convert("RGB"))
        if source.type == "tensor(uint8)":  # normalises by itself, and wants bytes
            neutral = dict(how, mean=[0, 0, 0], std=[1 / 255] * 3)
            batch = np.floor(prepare(image, neutral) + 0.5).astype(np.uint8).transpose(1, 2, 0)[None]
        else:
            batch = prepare(image, how)[None]
            if source.type == "tensor(float16)":
                batch = batch.astype(np.float16)
        rows.append(session.run(None, {source.name: batch})[0].reshape(-1))
    return np.array(rows, dtype=np.float64)


def number(text):
    try:
        return float(text)
    except ValueError:
        return None


def read(path, certificate):
    """[images, classes] of a CSV file, images and, with a header, classes matched by name."""
    with open(path, newline="", encoding="utf-8-sig") as file:
        lines = [line for line in csv.reader(file) if line and any(field.strip() for field in line)]
    files, classes = [entry["file"] for entry in certificate["images"]], certificate["classes"]
    order = list(range(len(classes)))
    if lines and pathlib.PurePath(lines[0][0].strip()).name not in files:
        header = [field.strip() for field in lines.pop(0)[1:]]
        if sorted(header) == sorted(classes):
            order = [header.index(name) for name in classes]
        elif any(name in classes for name in header):
            sys.exit(f"{path}: the header does not name the {len(classes)} classes of the certificate, each once")
    rows = {}
    for line in lines:
        name, values = pathlib.PurePath(line[0].strip()).name, [number(field) for field in line[1:]]
        if name in files and (len(values) != len(classes) or None in values):
            sys.exit(f"{path}: the line of {name} has {len(values)} fields behind the name, not {len(classes)} numbers")
        rows[name] = values
    missing = [name for name in files if name not in rows]
    if missing:
        sys.exit(f"{path}: no line begins with {missing[0]}")
    return np.array([rows[name] for name in files], dtype=np.float64)[:, order]


# ---- Judging -------------------------------------------------------------------------------------------------------

SMALL = 0.03  # of the largest logit: what rounding to 16 bits and small differences of resizing may come to


def distance(a, b):
    return float(np.sqrt(np.mean((a - b) ** 2)))


def moved(given, right, largest):
    """Where all images have about the same numbers in other places: the first place that holds another's, and whose;
    else (-1, -1)."""
    ours, theirs = np.sort(right, axis=1), np.sort(given, axis=1)
    if np.abs(theirs - ours).max() <= SMALL * largest and distance(theirs, ours) < distance(given, right) / 10:
        for place in range(right.shape[1]):
            origin = int(np.argmin(np.abs(right - given[:, place : place + 1]).max(axis=0)))
            if origin != place:
                return place, origin
    return -1, -1


def judge(given, certificate):
    """(right, sentence)"""
    right = np.array([entry["logits"] for entry in certificate["images"]])
    largest, tolerance = certificate["largest"], certificate["tolerance"]
    count = len(right)
    if given.shape != right.shape:
        return False, f"wrong: {given.shape[1]} numbers an image, not {right.shape[1]}, one a class"
    if not np.isfinite(given).all():
        return False, "wrong: some logits are infinite or no number (float16 ends at 65504)"
    errors = np.abs(given - right).max(axis=1) / largest
    if errors.max() <= tolerance:
        return True, f"right: {count} images, largest difference {errors.max():.1e} of the largest logit"
    same = int((given.argmax(axis=1) == right.argmax(axis=1)).sum())
    size = f"{errors.max():.1e} of the largest logit off, the likeliest class right for {same} of {count} images"
    place, origin = moved(given, right, largest)
    if place >= 0:
        names = certificate["classes"]
        return False, (
            f"wrong: {size}. Likely cause: the order of the classes is another; place {place} holds what is "
            f"'{names[origin]}' and should be '{names[place]}'. The order is the list of the certificate (sorted by "
            "name), not the one in which a file system lists folders"
        )
    if (given >= 0).all() and np.abs(given.sum(axis=1) - 1).max() < 1e-2:
        return False, f"wrong: {size}. Likely cause: these are probabilities, and logits are wanted, before the softmax"
    nearest = min(certificate["mistakes"], key=lambda m: distance(given, np.array(m["logits"])), default=None)
    if nearest and distance(given, np.array(nearest["logits"])) < distance(given, right) / 2:
        return False, f"wrong: {size}. Likely cause: {nearest['cause']}"
    exact = [
        entry["width"] == entry["height"] == certificate["preprocessing"]["size"] for entry in certificate["images"]
    ]
    if any(exact) and not all(exact) and errors[exact].max() <= tolerance:
        return False, (
            f"wrong: {size}. Images of the model's own size are right: the resize or the crop of the others differs, "
            "in a way that is not known here; compare with `prepare` in check.py, step by step"
        )
    if errors.max() <= SMALL:
        return False, (
            f"wrong: {size}. Small errors everywhere, likely cause: rounding, of weights or activations to float16, "
            "bfloat16 or integers"
        )
    first = certificate["images"][0]["file"]
    return False, (
        f"wrong: {size}. Unknown cause. First compare the array that the network is given for {first} with what "
        "`prepare` in check.py makes of it: if they agree, the weights differ"
    )


def main():
    parser = argparse.ArgumentParser(description="Judges a deployment of the model by the certificate beside this file.")
    parser.add_argument("model", nargs="?", default=HERE / "model.onnx", help="an ONNX file; model.onnx unless given")
    parser.add_argument("--logits", metavar="FILE.csv", help="logits of another program instead, a line an image")
    args = parser.parse_args()
    certificate = json.loads((HERE / "certificate.json").read_text(encoding="utf-8"))
    given = read(args.logits, certificate) if args.logits else run(args.model, certificate)
    right, sentence = judge(given, certificate)
    print(sentence)
    sys.exit(0 if right else 1)


if __name__ == "__main__":
    main()
