"""Opens the model in this folder with timm.

    from load import load
    model, config = load()
    transform = timm.data.create_transform(**config)
    logits = model(transform(PIL.Image.open("image.png").convert("RGB"))[None])

It has a stem that timm does not make by itself: a convolution of 3x3, stride 1, in place of its own, or no max-pool
behind it. That is put right here before the weights are loaded, with strict=True. (timm.create_model with
'local-dir:...' refuses this folder; where it did not, it would compute something else.)
"""

import json
from pathlib import Path

import timm
from safetensors.torch import load_file
from torch import nn


def load(folder=Path(__file__).resolve().parent):
    """Returns (model, config): the model in evaluation mode, and what timm.data.create_transform takes."""
    folder = Path(folder)
    described = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    args = dict(described["model_args"])
    stem = args.pop("open_with_load_py")
    cfg = dict(described["pretrained_cfg"])
    cfg.update({key: described[key] for key in ("label_names", "label_descriptions") if key in described})
    model = timm.create_model(
        described["architecture"], pretrained=False, pretrained_cfg=cfg, num_classes=described["num_classes"], **args
    )
    if stem["conv1"] == "3x3":
        model.conv1 = nn.Conv2d(3, 64, kernel_size=3, stride=1, padding=1, bias=False)
    if not stem["maxpool"]:
        model.maxpool = nn.Identity()
    model.load_state_dict(load_file(str(folder / "model.safetensors")), strict=True)
    return model.eval(), timm.data.resolve_data_config({}, pretrained_cfg=cfg)
