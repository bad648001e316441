"""Rows of counts: what was gathered is what is read again, and sums to the figures."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from etc_edge.core.errors import ResultsError
from etc_edge.core.packed import pack
from etc_edge.metrics.confusion import class_iou, confusion_matrix
from etc_edge.metrics.samples import FrameSamples, SampleRecorder, class_counts

NAMES = ("road", "car", "sky")


def recorded() -> SampleRecorder:
    random = np.random.default_rng(0)
    recorder = SampleRecorder(NAMES)
    for name, frames in (("one", 3), ("two", 2)):
        recorder.begin_clip(name)
        for index in range(frames):
            matrix = random.integers(0, 9, (3, 3))
            neighbours = None if index == 0 else random.integers(1, 9, (3, 3))
            labelled = matrix if index != 1 else None
            recorder.add(10.0 + index, labelled, neighbours, None if index == 0 else (index, 20))
    return recorder


@given(arrays(np.uint8, (2, 40), elements=st.integers(0, 2)))
def test_counts_give_the_iou_of_the_matrix(labels: np.ndarray) -> None:
    matrix = confusion_matrix(labels[0], labels[1], 3)
    intersections, unions = class_counts(matrix)
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(intersections / unions, class_iou(matrix))


def test_what_was_recorded_is_read_again() -> None:
    recorder = recorded()
    samples = FrameSamples.of(recorder.samples())
    assert (samples.classes, samples.clips, samples.clip_frames) == (NAMES, ("one", "two"), (3, 2))
    np.testing.assert_array_equal(samples.latency_ms, [10, 11, 12, 10, 11])
    np.testing.assert_array_equal(samples.truth, recorder.truth)
    assert [len(clip) for clip in samples.by_clip(samples.truth)] == [2, 1], "frames without labels are left out"
    assert [len(clip) for clip in samples.by_clip(samples.steadiness)] == [2, 1], "a clip's first has no neighbour"


def test_arrays_that_do_not_fit_are_refused() -> None:
    samples = recorded().samples()
    with pytest.raises(ResultsError, match=r"Found flicker of shape \(4, 2\)"):
        FrameSamples.of(msgspec.structs.replace(samples, flicker=pack(np.zeros((4, 2)), "int32")))
    with pytest.raises(ResultsError, match="Found 2 lengths of 1 clips"):
        FrameSamples.of(msgspec.structs.replace(samples, clips=("one",)))
