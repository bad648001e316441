"""Pictures of an evaluation: the right frames, flips counted where they are, few kept of many."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from etc_edge.benchmark.marks import LOST
from etc_edge.benchmark.pictures import APART, WORST, PictureGatherer
from etc_edge.core.labels import LabelSet
from etc_edge.core.pictures import load_pictures
from etc_edge.core.results import Data
from etc_edge.data.clip import ClipFrame
from etc_edge.metrics.motion import Motion, motion_between

LABELS = LabelSet(("road", "car"), ((10, 20, 30), (200, 100, 0)))
DATA = Data(name="street", frames=3)
IMAGE = np.full((24, 32, 3), 90, np.uint8)


def still() -> Motion:
    return motion_between(IMAGE, IMAGE, np.zeros((24, 32, 2), np.float32))


def frame(index: int) -> ClipFrame:
    return ClipFrame(index, IMAGE, np.zeros((24, 32), np.uint8))


def labels(wrong: int) -> np.ndarray:
    """The first so many pixels are of the wrong class."""
    found = np.zeros(24 * 32, np.uint8)
    found[:wrong] = 1
    return found.reshape(24, 32)


def gathered(wrong: list[int], reference: list[int]) -> PictureGatherer:
    gatherer = PictureGatherer(LABELS, ("INT8", "FP32"))
    gatherer.begin_clip("clip")
    before: list[np.ndarray | None] = [None, None]
    for index, counts in enumerate(zip(wrong, reference, strict=True)):
        now = [labels(count) for count in counts]
        gatherer.add(frame(index), now, before, still() if index else None)
        before = [*now]
    return gatherer


def test_the_worst_frames_are_kept_and_neighbours_are_not(tmp_path: Path) -> None:
    wrong = [0] * 60
    for place, count in ((5, 50), (6, 60), (20, 40), (30, 30), (45, 20)):
        wrong[place] = count
    gathered(wrong, [0] * 60).write(tmp_path / "p", DATA, "m", "r")
    pictures = load_pictures(tmp_path / "p")
    assert pictures is not None
    assert (pictures.model_sha256, pictures.reference_sha256) == ("m", "r")
    assert [one.index for one in pictures.worst] == [6, 20, 30]
    assert len(pictures.worst) == WORST
    assert pictures.worst[0].differing == pytest.approx(60 / (24 * 32))
    assert list(pictures.worst[0].files) == ["frame", "truth", "FP32", "INT8", "difference"]
    drawn = cv2.imread(str(tmp_path / "p" / pictures.worst[0].files["INT8"]))
    np.testing.assert_array_equal(drawn[0, 0], (0, 100, 200))
    assert APART > 1


def test_flips_count_only_where_the_reference_keeps_its_label(tmp_path: Path) -> None:
    gathered([0, 10, 0], [0, 0, 0]).write(tmp_path / "ours", DATA, "m", "r")
    gathered([0, 10, 0], [0, 10, 0]).write(tmp_path / "both", DATA, "m", "r")
    ours, both = load_pictures(tmp_path / "ours"), load_pictures(tmp_path / "both")
    assert ours is not None
    assert both is not None
    assert ours.flicker[0].share == pytest.approx(10 / (24 * 32))
    assert both.flicker[0].share == 0
    drawn = cv2.imread(str(tmp_path / "ours" / ours.flicker[0].file)).astype(int)
    assert drawn[0, 2, 2] > drawn[20, 20, 2] + 10, "red where it flips"
    assert LOST[0] > LOST[2]


def test_a_model_alone_is_held_against_the_truth(tmp_path: Path) -> None:
    gatherer = PictureGatherer(LABELS, ("INT8",))
    gatherer.begin_clip("stills")
    gatherer.add(frame(0), [labels(5)], [None], None)
    gatherer.add(ClipFrame(1, IMAGE), [labels(9)], [None], None)
    gatherer.write(tmp_path / "p", DATA, "m", None)
    pictures = load_pictures(tmp_path / "p")
    assert pictures is not None
    assert [one.index for one in pictures.worst] == [0], "a frame without labels has nothing to differ from"
    assert list(pictures.worst[0].files) == ["frame", "truth", "INT8", "difference"]
    assert pictures.flicker == []


def test_equal_models_leave_no_pictures(tmp_path: Path) -> None:
    gathered([3, 3], [3, 3]).write(tmp_path / "p", DATA, "m", "r")
    pictures = load_pictures(tmp_path / "p")
    assert pictures is not None
    assert pictures.worst == []
