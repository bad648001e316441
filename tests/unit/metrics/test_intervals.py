"""Intervals of figures and of paired differences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etc_edge.metrics.confusion import ConfusionMatrix
from etc_edge.metrics.intervals import difference_intervals, figure_intervals, mean_iou, same_frames, upper_ends
from etc_edge.metrics.samples import FrameSamples, SampleRecorder

NAMES = ("road", "car", "sky")
SURE = st.floats(0.55, 0.99)


def measured(seed: int, wrong: float, frames: int = 60) -> tuple[FrameSamples, float]:
    """A model with a share of wrong pixels on frames that are hard or easy for every model, and its mIoU."""
    scenes, model = np.random.default_rng(0), np.random.default_rng(seed)
    recorder, matrix = SampleRecorder(NAMES), ConfusionMatrix(3)
    recorder.begin_clip("clip")
    for index in range(frames):
        truth = scenes.integers(0, 3, 2000).astype(np.uint8)
        hardness = scenes.random()
        hit = model.random(2000) < wrong * hardness
        labels = np.where(hit, (truth + 1) % 3, truth).astype(np.uint8)
        added = matrix.update(labels, truth)
        recorder.add(5 + 0.1 * model.random(), added, added if index else None, (int(hit.sum()), 2000))
    return FrameSamples.of(recorder.samples()), matrix.compute(NAMES).miou


def test_figures_lie_in_their_intervals() -> None:
    samples, miou = measured(1, 0.5)
    found = figure_intervals(samples)
    figures = {"accuracy.miou", "temporal.tc", "temporal.flicker"}
    assert set(found) == {*figures, "latency_ms.p50", "latency_ms.p90"}, "p99 wants 368 frames"
    low, high = found["accuracy.miou"]
    assert low < miou < high
    assert float(mean_iou(samples.truth.sum(0).reshape(1, -1))[0]) == pytest.approx(miou)


def test_the_same_model_has_no_drop() -> None:
    samples, _ = measured(1, 0.5)
    assert set(difference_intervals(samples, samples).values()) == {(0.0, 0.0)}


def test_pairing_cancels_what_is_hard_for_both() -> None:
    (better, high), (worse, low) = measured(1, 0.50), measured(2, 0.52)
    found = difference_intervals(better, worse)["accuracy.miou"]
    assert found[0] < high - low < found[1]
    assert found[0] > 0, "a drop of a point is found"
    alone = figure_intervals(better)["accuracy.miou"]
    assert found[1] - found[0] < 0.2 * (alone[1] - alone[0])


def test_two_draws_of_one_model_are_no_difference() -> None:
    outside = 0
    for seed in range(40):
        (first, _), (second, _) = measured(seed, 0.5, 30), measured(100 + seed, 0.5, 30)
        low, high = difference_intervals(first, second)["accuracy.miou"]
        outside += not low <= 0 <= high
    assert outside <= 4


def test_mean_iou_is_over_classes_that_are_present() -> None:
    sums = np.array([[2.0, 0, 0, 4, 2, 0], [0, 0, 0, 0, 0, 0]])
    found = mean_iou(sums)
    assert found[0] == 0.25
    assert np.isnan(found[1])


def test_frames_are_the_same_only_in_the_same_clips() -> None:
    (one, _), (other, _), (shorter, _) = measured(1, 0.5), measured(2, 0.4), measured(1, 0.5, 59)
    assert same_frames(one, other)
    assert not same_frames(one, shorter)


@given(seeds=st.tuples(st.integers(0, 99), st.integers(100, 199)), confidences=st.tuples(SURE, SURE))
@settings(max_examples=15, deadline=None)
def test_an_upper_end_is_no_less_than_what_was_measured_and_rises_with_confidence(
    seeds: tuple[int, int], confidences: tuple[float, float]
) -> None:
    (first, high), (second, low) = (measured(seed, 0.5, 20) for seed in seeds)
    less, more = (upper_ends(first, second, confidence) for confidence in sorted(confidences))
    assert set(less) == {"accuracy.miou", "temporal.tc", "temporal.flicker"}
    assert less["accuracy.miou"] >= high - low - 1e-12
    assert all(less[path] <= more[path] for path in less)


def test_the_upper_end_lies_above_the_difference_of_all_frames_as_often_as_it_says() -> None:
    above = 0
    for seed in range(60):
        (first, _), (second, _) = measured(seed, 0.5, 40), measured(100 + seed, 0.5, 40)
        above += upper_ends(first, second, 0.9)["accuracy.miou"] >= 0
    # Both err alike, so the difference is nought: 54 of 60 are expected; fewer than 46 come
    # once in a thousand times.
    assert above >= 46
