"""Frames made ready once, in memory or in files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from etc_edge.core.errors import DatasetError
from etc_edge.data.dataset import open_dataset
from etc_edge.flow.base import open_flow
from etc_edge.metrics.examination import prepare
from etc_edge.metrics.intervals import difference_intervals

DATASET = open_dataset("synthetic:street?size=64x96&frames=3&train=3&val=1")


def test_frames_in_files_are_those_in_memory(tmp_path: Path) -> None:
    clips, flow = DATASET.clips("train"), open_flow("dis-fast")
    here = prepare(clips, DATASET.label_set, flow)
    there = prepare(clips, DATASET.label_set, flow, tmp_path)
    assert len(list(tmp_path.iterdir())) == len(there.shots) == len(here.shots) == 9
    assert len(there.shots[2:5]) == 3
    assert there.shots[-1].clip == clips[-1].name
    with pytest.raises(IndexError):
        there.shots[9]

    def predict(number: int) -> np.ndarray:
        return (here.shots[number].image_rgb[..., 0] // 32).astype(np.uint8)

    first, second = here.examine(predict), there.examine(predict)
    assert first.figures() == second.figures()
    assert {"miou", "tc", "flicker"} <= set(first.figures())
    assert set(difference_intervals(first.samples, second.samples).values()) <= {(0.0, 0.0)}


def test_no_frame_is_told() -> None:
    with pytest.raises(DatasetError, match="no frame"):
        prepare([], DATASET.label_set, open_flow("dis-fast"))
