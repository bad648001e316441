"""mIoU and steadiness of held-out frames against predictions that are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn

from etc_edge.core.labels import LabelSet
from etc_edge.data.stored import StoredClip, StoredFrame
from etc_edge.training.frames import Labelled
from etc_edge.training.normalisation import Normalisation
from etc_edge.training.validation import HeldOut, copies, network_labels
from tests.unit.data.stored_images import write_image, write_labels

UInt8 = npt.NDArray[np.uint8]


def still(folder: Path, name: str, value: int | None, size: tuple[int, int] | None = None) -> Labelled:
    write_image(folder / f"{name}.png")
    if value is not None:
        write_labels(folder / f"l{name}.png", value=value)
    stored = StoredFrame(folder / f"{name}.png", None if value is None else folder / f"l{name}.png")
    return Labelled(StoredClip(name, (stored,), LabelSet(("x", "y", "z"), ((0, 0, 0),) * 3)), 0)


def held_out(frames: list[Labelled], size_hw: tuple[int, int], classes: int) -> HeldOut:
    return HeldOut(frames, size_hw, classes, 255, copies(size_hw, (0.0, 0.0, 0.0)))


def zeros(image: UInt8) -> UInt8:
    return np.zeros(image.shape[:2], np.uint8)


def halves(image: UInt8) -> UInt8:
    """The left half is 0 and the right half 1, whatever the picture: as unsteady as its motion is large."""
    labels = np.zeros(image.shape[:2], np.uint8)
    labels[:, image.shape[1] // 2 :] = 1
    return labels


def test_one_class_for_all(tmp_path: Path) -> None:
    frames = [still(tmp_path, name, value) for name, value in (("a", 0), ("b", 1), ("c", 255))]
    found = held_out(frames, (12, 16), 3).figures(zeros)
    # Class 0: half of its union; class 1: nothing; class 2 is in neither.
    assert found["miou"] == pytest.approx((0.5 + 0.0) / 2)
    assert (found["tc"], found["flicker"]) == (1.0, 0.0), "one label everywhere is steady"
    assert "agreement" not in found


def test_labels_that_stay_while_the_picture_moves(tmp_path: Path) -> None:
    frames = held_out([still(tmp_path, "a", 0)] * 8, (120, 160), 2)
    figures = [frames.figures(halves) for _ in range(2)]
    assert figures[0] == figures[1], "the copies are the same every time"
    assert 0.8 < figures[0]["tc"] < 1.0


def test_without_labels_there_is_agreement(tmp_path: Path) -> None:
    frames = held_out([still(tmp_path, "a", None), still(tmp_path, "b", None)], (12, 16), 2)
    found = frames.figures(halves, frames.labels(zeros))
    assert "miou" not in found
    assert found["agreement"] == 0.5


def test_labels_of_a_network() -> None:
    class Brighter(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return torch.cat([images[:, :1], torch.full_like(images[:, :1], 0.5)], 1)

    normalise = Normalisation((0.0, 0.0, 0.0), (100.0, 100.0, 100.0), torch.device("cpu"))
    image = np.zeros((4, 6, 3), np.uint8)
    image[:, 3:, 0] = 90
    labels = network_labels(Brighter(), (4, 6), normalise, None)(image)
    assert np.array_equal(labels, np.repeat([[1, 1, 1, 0, 0, 0]], 4, 0)), "0.9 is more than 0.5"
