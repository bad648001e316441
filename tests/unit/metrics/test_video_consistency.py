"""Video consistency against its definition, window by window."""

from __future__ import annotations

import numpy as np
import pytest

from etc_edge.core.errors import EtcEdgeError
from etc_edge.metrics.video_consistency import VideoConsistency


def by_definition(clips: list[tuple[np.ndarray, np.ndarray]], length: int) -> float:
    scores = []
    for labels, truth in clips:
        for start in range(len(labels) - length + 1):
            window = slice(start, start + length)
            still = (truth[window] == truth[start]).all(0) & (truth[start] != 255)
            kept = (labels[window] == labels[start]).all(0)
            if still.any():
                scores.append((still & kept).sum() / still.sum())
    return float(np.mean(scores))


def drifting(rng: np.random.Generator, frames: int, change: float) -> np.ndarray:
    labels = [rng.integers(0, 3, (12, 10))]
    for _ in range(frames - 1):
        labels.append(np.where(rng.random((12, 10)) < change, rng.integers(0, 3, (12, 10)), labels[-1]))
    return np.array(labels, np.uint8)


def test_is_the_mean_over_all_windows_of_all_clips() -> None:
    rng = np.random.default_rng(2)
    clips = [(drifting(rng, n, 0.05), drifting(rng, n, 0.03)) for n in (20, 9, 5)]
    clips[0][1][:, :2] = 255
    consistency = VideoConsistency()
    for labels, truth in clips:
        consistency.begin_clip()
        for one, true in zip(labels, truth, strict=True):
            consistency.update(one, true)
    found = consistency.compute()
    assert found[8] == pytest.approx(by_definition(clips, 8))
    assert found[16] == pytest.approx(by_definition(clips, 16))


def test_short_clips_have_none() -> None:
    consistency = VideoConsistency()
    for _ in range(7):
        consistency.update(np.zeros((2, 2), np.uint8), np.zeros((2, 2), np.uint8))
    assert consistency.compute() == {}


def test_wrong_but_steady_labels_are_consistent() -> None:
    consistency = VideoConsistency((2,))
    for _ in range(3):
        consistency.update(np.full((2, 2), 1, np.uint8), np.zeros((2, 2), np.uint8))
    assert consistency.compute() == {2: 1.0}


def test_one_clip_has_one_size() -> None:
    consistency = VideoConsistency()
    consistency.update(np.zeros((2, 2), np.uint8), np.zeros((2, 2), np.uint8))
    with pytest.raises(EtcEdgeError, match="in one clip"):
        consistency.update(np.zeros((3, 2), np.uint8), np.zeros((3, 2), np.uint8))
