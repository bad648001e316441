"""Streaming statistics against numpy on all the values at once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etc_edge.core.errors import CalibrationError
from etc_edge.quantization.observers.statistics import BINS, TensorStatistics

magnitudes = st.lists(st.floats(2**-40, 2**60, width=32), min_size=1, max_size=8)


def gather(*frames: np.ndarray) -> TensorStatistics:
    statistics = TensorStatistics()
    for frame in frames:
        statistics.update(float(frame.min()), float(frame.max()), frame)
    return statistics


def random_frames(sizes: list[float]) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.normal(0, size, (3, 7, 11)).astype(np.float32) for size in sizes]


@given(magnitudes)
def test_no_count_is_lost_however_often_the_span_doubles(sizes: list[float]) -> None:
    frames = random_frames(sizes)
    statistics = gather(*frames)
    assert statistics.counts.sum() == sum(frame.size for frame in frames)
    assert statistics.frames == len(frames)


@given(magnitudes)
def test_the_histogram_is_the_one_of_all_values_at_once(sizes: list[float]) -> None:
    frames = random_frames(sizes)
    statistics = gather(*frames)
    values = np.concatenate([frame.ravel() for frame in frames]).astype(np.float64)
    expected, _ = np.histogram(values, BINS, (-statistics.span, statistics.span))
    # A value next to an edge may fall to either side of it, in float32.
    bins = values * (BINS / (2 * statistics.span))
    next_to_an_edge = np.count_nonzero(np.abs(bins - np.round(bins)) < 5e-4)
    assert np.abs(np.cumsum(statistics.counts) - np.cumsum(expected)).max() <= next_to_an_edge
    assert np.abs(values).max() < statistics.span
    assert statistics.span <= max(2 * np.abs(values).max(), 1e-11)


@given(magnitudes)
def test_extremes_are_exact(sizes: list[float]) -> None:
    frames = random_frames(sizes)
    statistics = gather(*frames)
    assert statistics.low == min(frame.min() for frame in frames)
    assert statistics.high == max(frame.max() for frame in frames)
    centers = statistics.centers()
    assert centers.min() >= statistics.low
    assert centers.max() <= statistics.high


def test_moving_averages_by_hand() -> None:
    frames = [np.array([-low, high], np.float32) for low, high in ((1, 2), (3, 4), (0, 10))]
    statistics = gather(*frames)
    # 0.9 of the past and 0.1 of the frame: −1, −1.2, −1.08 and 2, 2.2, 2.98.
    assert statistics.average_low == pytest.approx(-1.08)
    assert statistics.average_high == pytest.approx(2.98)


def test_zeros_alone_have_no_span_and_are_counted() -> None:
    statistics = gather(np.zeros(10, np.float32), np.zeros(5, np.float32))
    assert (statistics.span, statistics.low, statistics.high) == (0, 0, 0)
    assert statistics.counts.sum() == 15
    assert not statistics.centers().any()
    statistics.update(0.0, 1.0, np.array([0, 1], np.float32))
    assert statistics.counts.sum() == 17
    assert statistics.counts[BINS // 2] == 16, "zeros stay where zeros are"


@pytest.mark.parametrize("size", [1e-45, 1e-38, 1e-20, 1e30, 3e38])
def test_values_at_the_ends_of_what_a_float_holds(size: float) -> None:
    statistics = gather(np.array([-size, 0, size], np.float32), np.array([1.5], np.float32))
    assert statistics.counts.sum() == 4
    assert np.isfinite(statistics.centers()).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite(value: float) -> None:
    frame = np.array([0, value, 1], np.float32)
    with pytest.raises(CalibrationError, match="not finite"):
        gather(frame)


def test_a_value_that_is_no_number_between_good_extremes() -> None:
    with pytest.raises(CalibrationError, match="not finite"):
        TensorStatistics().update(0.0, 1.0, np.array([0, np.nan, 1], np.float32))


def test_memory_does_not_grow_with_the_data() -> None:
    statistics = gather(*random_frames([1.0] * 50))
    assert sum(value.nbytes for value in vars(statistics).values() if isinstance(value, np.ndarray)) == BINS * 8
