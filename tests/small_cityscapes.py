"""A few frames in Cityscapes' layout, and a network with its classes as the ETC authors' files hold it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from etc_edge.data.cityscapes import CLASSES
from etc_edge.models.table import build_network
from tests.small_networks import UInt8, frames

SIZE_HW = (64, 128)
FRAMES = 3
LABELLED = 1


def pictures() -> list[UInt8]:
    """The frames, uint8 (64, 128, 3), red first: one picture that moves two pixels a frame to the left."""
    (scene,) = frames(1, seed=8, size_hw=(SIZE_HW[0], SIZE_HW[1] + 2 * FRAMES))
    return [np.ascontiguousarray(scene[:, 2 * index : 2 * index + SIZE_HW[1]]) for index in range(FRAMES)]


def write_cityscapes(root: Path, classes: UInt8) -> Path:
    """A validation sequence of three frames, of which the second has `classes`, uint8 (64, 128), as its labels."""
    images = root / "leftImg8bit_sequence" / "val" / "ulm"
    labels = root / "gtFine" / "val" / "ulm"
    for folder in (images, labels):
        folder.mkdir(parents=True)
    for index, picture in enumerate(pictures()):
        cv2.imwrite(str(images / f"ulm_000000_{18 + index:06}_leftImg8bit.png"), picture[..., ::-1])
    ids = np.array([label_id for label_id, _, _ in CLASSES], np.uint8)
    cv2.imwrite(str(labels / f"ulm_000000_{18 + LABELLED:06}_gtFine_labelIds.png"), ids[classes])
    return root


def uneven_network(name: str, classes: int = 19) -> nn.Module:
    """A network in evaluation mode with fresh weights, made to give many classes and nothing symmetric."""
    torch.manual_seed(4)
    network = build_network(name, classes).eval()
    last = [part for part in network.modules() if isinstance(part, nn.Conv2d) and part.out_channels == classes]
    with torch.no_grad():
        for part in last:
            part.weight.normal_(std=1.0)
    return network


def official_content(network: nn.Module, form: str) -> dict[str, Any]:
    """What the authors' file of a network holds: `flat`, or as saved by their training."""
    state: dict[str, Tensor] = dict(network.state_dict())
    if form == "flat":
        return state
    extra = {"module.flownet.conv.weight": torch.ones(2), "module.teacher.cls.4.bias": torch.ones(7)}
    return {"epoch": 200, "state_dict": {f"module.student.{key}": value for key, value in state.items()} | extra}
