#!/usr/bin/env python3
"""timm as judge of weights files. Importing it takes seconds, so one process does what the lines of its input say:

    make MODEL STEM POOL CLASSES DTYPE FILE      a state_dict of random numbers, as timm's tools save it
    compare MODEL STEM POOL FILE LOGITS IMAGES   loads FILE with strict=True, scores the images of a folder and compares
                                                 with the logits of `ocelli eval`
    open DIR LOGITS IMAGES [FILE]                opens a folder of `ocelli export --timm`, prepares images as timm does
                                                 and compares; saves the model as FILE
    fails DIR                                    the plain call must refuse the folder
    same LOGITS LOGITS                           two files of logits must be the same
    png FROM TO                                  the images of a folder as PNG, with the same pixels

STEM is 3x3, 7x7 or deep, POOL true or false.
"""

import importlib.util
import json
import pathlib
import shlex
import sys

import numpy as np
import timm
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

MEAN, STD = (0.4824, 0.4495, 0.3981), (0.2765, 0.2691, 0.2825)  # of a weights file that does not say them


def make(name, stem, pool, classes):
    more = {"stem_type": "deep", "stem_width": 32} if stem == "deep" else {"stem_type": "", "stem_width": 64}
    net = timm.create_model(name, num_classes=classes, **more)
    if stem == "3x3":
        net.conv1 = nn.Conv2d(3, 64, 3, stride=1, padding=1, bias=False)
    if pool == "false":
        net.maxpool = nn.Identity()
    return net


def write(name, stem, pool, classes, dtype, path):
    torch.manual_seed(1)
    net = make(name, stem, pool, int(classes))
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.2, 0.2)
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    kind = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}[dtype]
    state = {k: (v.to(kind) if v.is_floating_point() else v).contiguous() for k, v in net.state_dict().items()}
    save_file(state, path, metadata={"format": "pt"})


def compare(name, stem, pool, path, logits_path, images):
    state = load_file(path)
    net = make(name, stem, pool, state["fc.weight"].shape[0]).eval()
    net.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in state.items()}, strict=True)
    with safe_open(logits_path, "pt") as file:
        ours, names = file.get_tensor("logits").double(), json.loads(file.metadata()["names"])
    paths = {p.name: p for p in pathlib.Path(images).rglob("*") if p.is_file()}
    pixels = np.stack([np.asarray(Image.open(paths[pathlib.Path(n).name]).convert("RGB")) for n in names])
    with safe_open(path, "pt") as file:
        meta = file.metadata() or {}
    mean, std = (torch.tensor(json.loads(meta[k]) if k in meta else v) for k, v in (("mean", MEAN), ("std", STD)))
    batch = (torch.from_numpy(pixels).float() / 255 - mean) / std
    with torch.no_grad():
        theirs = net.double()(batch.permute(0, 3, 1, 2).double())
    error = ((ours - theirs).abs().max() / theirs.abs().max()).item()
    steps = {int(v) for k, v in state.items() if k.endswith("num_batches_tracked")}
    print(f"{name} {stem} {pool}: {len(names)} images, error {error:.2g}, num_batches_tracked {sorted(steps)}")
    sys.exit(0 if error < 1e-4 else 1)


def opened(folder):
    loader = pathlib.Path(folder, "load.py")
    if loader.exists():
        sys.dont_write_bytecode = True
        spec = importlib.util.spec_from_file_location("load", loader)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.load()
    net = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    return net, timm.data.resolve_data_config({}, pretrained_cfg=net.pretrained_cfg)


def open_folder(folder, logits_path, images, saved=None):
    net, config = opened(folder)
    transform = timm.data.create_transform(**config)
    with safe_open(logits_path, "pt") as file:
        ours = file.get_tensor("logits").double()
        names, classes = (json.loads(file.metadata()[key]) for key in ("names", "classes"))
    assert list(net.pretrained_cfg["label_names"]) == classes, "the classes are others, or in another order"
    paths = {p.name: p for p in pathlib.Path(images).rglob("*") if p.is_file()}
    batch = torch.stack([transform(Image.open(paths[pathlib.Path(n).name]).convert("RGB")) for n in names])
    with torch.no_grad():
        theirs = net(batch).double()
    error = ((ours - theirs).abs().max() / theirs.abs().max()).item()
    agree = (ours.argmax(1) == theirs.argmax(1)).double().mean().item()
    print(f"{folder}: {len(names)} images, error {error:.2g}, the same class for {agree:.3g}")
    if saved:
        save_file({k: v.contiguous() for k, v in net.state_dict().items()}, saved)
    sys.exit(0 if error < 1e-5 else 1)


def fails(folder):
    try:
        timm.create_model(f"local-dir:{folder}", pretrained=True)
    except Exception as error:
        print(error)
        sys.exit(0 if "open_with_load_py" in str(error) else 1)
    sys.exit("it opens without a word")


def same(one, other):
    error = (load_file(one)["logits"] - load_file(other)["logits"]).abs().max() / load_file(one)["logits"].abs().max()
    print(f"logits differ by {error.item():.2g}")
    sys.exit(0 if error.item() < 1e-5 else 1)


def png(source, target):
    for path in sorted(p for p in pathlib.Path(source).rglob("*") if p.suffix.lower() in (".jpeg", ".jpg")):
        out = pathlib.Path(target, path.relative_to(source)).with_suffix(".png")
        out.parent.mkdir(parents=True, exist_ok=True)
        Image.open(path).convert("RGB").save(out)


COMMANDS = {"make": write, "compare": compare, "open": open_folder, "fails": fails, "same": same, "png": png}


def serve():
    """Runs what lines of standard input say, quoted as a shell does; "= STATUS" ends what is said of each."""
    for line in sys.stdin:
        name, *args = shlex.split(line)
        status = 0
        try:
            COMMANDS[name](*args)
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
            if isinstance(end.code, str):
                print(end.code)
        except Exception as error:
            status = 1
            print(f"{type(error).__name__}: {error}")
        print("=", status, flush=True)


if __name__ == "__main__":
    serve()
