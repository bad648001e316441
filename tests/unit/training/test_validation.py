"""mIoU and steadiness of held-out frames against predictions that are known."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from etc_edge.core.labels import LabelSet
from etc_edge.data.stored import StoredClip, StoredFrame
from etc_edge.training.frames import Labelled
from etc_edge.training.normalisation import Normalisation
from etc_edge.training.validation import held_out_figures
from tests.unit.data.stored_images import write_image, write_labels


class AlwaysZero(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        assert not self.training
        logits = torch.zeros(images.shape[0], 3, 4, 4)
        logits[:, 0] = 1
        return logits


def test_one_class_for_all(tmp_path: Path) -> None:
    frames = []
    for name, value in (("a", 0), ("b", 1), ("c", 255)):
        write_image(tmp_path / f"{name}.png")
        write_labels(tmp_path / f"l{name}.png", value=value)
        stored = StoredFrame(tmp_path / f"{name}.png", tmp_path / f"l{name}.png")
        frames.append(Labelled(StoredClip(name, (stored,), LabelSet(("x", "y", "z"), ((0, 0, 0),) * 3)), 0))
    network = AlwaysZero().train()
    normalise = Normalisation((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), torch.device("cpu"))
    found = held_out_figures(network, frames, (12, 16), 3, 255, normalise, None)
    # Class 0: half of its union; class 1: nothing; class 2 is in neither.
    assert found.miou == pytest.approx((0.5 + 0.0) / 2)
    assert found.tc == 1.0, "one label everywhere is steady"
    assert network.training


class ByPlace(nn.Module):
    """Labels the left half 0 and the right half 1, whatever the picture: as unsteady as its motion is large."""

    def forward(self, images: Tensor) -> Tensor:
        logits = torch.zeros(images.shape[0], 2, *images.shape[2:])
        logits[:, 0, :, : images.shape[3] // 2] = 1
        logits[:, 1, :, images.shape[3] // 2 :] = 1
        return logits


def test_labels_that_stay_while_the_picture_moves(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png")
    write_labels(tmp_path / "la.png", value=0)
    stored = StoredFrame(tmp_path / "a.png", tmp_path / "la.png")
    frame = Labelled(StoredClip("a", (stored,), LabelSet(("x", "y"), ((0, 0, 0),) * 2)), 0)
    normalise = Normalisation((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), torch.device("cpu"))
    figures = [held_out_figures(ByPlace(), [frame] * 8, (120, 160), 2, 255, normalise, None) for _ in range(2)]
    assert figures[0] == figures[1], "the copies are the same every time"
    assert 0.9 < figures[0].tc < 0.999


def test_normalisation_by_hand() -> None:
    frames = torch.tensor([10, 20, 30], dtype=torch.uint8).view(1, 1, 1, 3)
    out = Normalisation((5.0, 10.0, 15.0), (1.0, 2.0, 5.0), torch.device("cpu"))(frames)
    torch.testing.assert_close(out.flatten(), torch.tensor([5.0, 5.0, 3.0]))
    assert out.shape == (1, 3, 1, 1)
