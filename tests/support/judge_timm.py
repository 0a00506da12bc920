#!/usr/bin/env python3
"""timm as judge of weights files.

    judge_timm.py make MODEL STEM POOL CLASSES DTYPE FILE      a state_dict of random numbers, as timm's tools save it
    judge_timm.py compare MODEL STEM POOL FILE LOGITS IMAGES   loads FILE with strict=True, scores the images of a folder
                                                               and compares with the logits of `ocelli eval`

STEM is 3x3, 7x7 or deep, POOL true or false.
"""

import json
import pathlib
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


if __name__ == "__main__":
    {"make": write, "compare": compare}[sys.argv[1]](*sys.argv[2:])
