"""Intervals hold what they should as often as they should, on data whose truth is known."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student

from etc_edge.metrics.bootstrap import quantile_interval, resampled_sums, student_quantile, sums_interval
from tests.unit.metrics.test_block_length import autoregressive

PIXELS, TRIALS = 1000.0, 200


def share(sums: np.ndarray) -> np.ndarray:
    return sums[:, 0] / sums[:, 1]


def clips_of(seed: int, count: int, frames: int, correlation: float, between: float) -> list[np.ndarray]:
    """Correct pixels and all pixels of frames around a share of 0.7, neighbours correlated, clips differing."""
    random = np.random.default_rng(seed)
    clips = []
    for number in range(count):
        series = autoregressive(seed * 1000 + number, frames, correlation) + between * random.normal()
        clips.append(np.stack([PIXELS * (0.7 + 0.05 * series), np.full(frames, PIXELS)], axis=1))
    return clips


@pytest.mark.parametrize(
    ("count", "frames", "correlation", "between", "least"),
    [
        (1, 101, 0.0, 0, 0.92),
        (1, 101, 0.5, 0, 0.9),
        (1, 101, 0.8, 0, 0.88),
        (4, 30, 0.7, 0, 0.9),
        (20, 30, 0.7, 1, 0.9),
        (40, 4, 0.3, 1, 0.9),
    ],
)
def test_coverage_of_a_mean(count: int, frames: int, correlation: float, between: float, least: float) -> None:
    hits = 0
    for seed in range(TRIALS):
        interval = sums_interval(clips_of(seed, count, frames, correlation, between), share, repetitions=300)
        assert interval is not None
        hits += interval[0] <= 0.7 <= interval[1]
    assert hits / TRIALS >= least


@pytest.mark.parametrize(("count", "quantile", "least"), [(200, 0.5, 0.92), (1000, 0.99, 0.87)])
def test_coverage_of_a_quantile(count: int, quantile: float, least: float) -> None:
    truth = NormalDist(10, 1).inv_cdf(quantile)
    hits = 0
    for seed in range(TRIALS):
        values = np.random.default_rng(seed).normal(10, 1, count)
        interval = quantile_interval(values, quantile, repetitions=300)
        assert interval is not None
        hits += interval[0] <= truth <= interval[1]
    assert hits / TRIALS >= least


@pytest.mark.parametrize(("count", "correlation", "least"), [(100, 0.5, 0.89), (400, 0.8, 0.92)])
def test_coverage_of_a_median_of_neighbours_that_are_alike(count: int, correlation: float, least: float) -> None:
    hits = 0
    for seed in range(TRIALS):
        interval = quantile_interval(10 + autoregressive(seed, count, correlation), 0.5, repetitions=300)
        assert interval is not None
        hits += interval[0] <= 10 <= interval[1]
    assert hits / TRIALS >= least


def test_too_few_values_bound_no_quantile() -> None:
    values = np.arange(367.0)
    assert quantile_interval(values, 0.99) is None, "0.99^367 is more than 2.5 %"
    assert quantile_interval(np.arange(368.0), 0.99, repetitions=10) is not None
    assert quantile_interval(np.arange(7.0), 0.5) is None
    assert sums_interval([np.ones((4, 2)), np.ones((3, 2))], share) is None


@given(st.integers(1, 5), st.integers(1, 12), st.integers(1, 20))
def test_resamples_are_of_the_size_of_their_clips(clips: int, frames: int, block: int) -> None:
    data = [np.ones((frames + number, 1)) for number in range(clips)]
    sums = resampled_sums(data, block, 40, np.random.default_rng(0))
    lengths = [frames + number for number in range(clips)]
    assert sums.min() >= clips * min(lengths)
    assert sums.max() <= clips * max(lengths)
    if clips == 1:
        assert (sums == frames).all()


def test_blocks_are_neighbours() -> None:
    powers = 2.0 ** np.arange(12)[:, None]
    allowed = {sum(powers[(start + step) % 12, 0] for step in range(12)) for start in range(12)}
    assert set(resampled_sums([powers], 12, 50, np.random.default_rng(0))[:, 0]) == allowed
    halves = {sum(powers[(start + step) % 12, 0] for step in range(6)) for start in range(12)}
    sums = {one + other for one in halves for other in halves}
    assert set(resampled_sums([powers], 6, 200, np.random.default_rng(0))[:, 0]) <= sums


def test_the_same_counts_give_the_same_interval() -> None:
    clips = clips_of(3, 2, 40, 0.5, 0.0)
    assert sums_interval(clips, share) == sums_interval(clips, share)
    assert sums_interval(clips, share, seed=1) != sums_interval(clips, share)


@pytest.mark.parametrize("degrees", [3, 4, 7, 20, 300])
def test_student_quantiles_are_scipys(degrees: int) -> None:
    assert student_quantile(0.975, degrees) == pytest.approx(student.ppf(0.975, degrees), rel=2e-3)
