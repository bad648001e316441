"""Intervals by rounds hold what they should, also where neighbours and rounds resemble each other."""

from __future__ import annotations

import math

import numpy as np
import pytest

from etc_edge.metrics.persistence import drift_factor
from etc_edge.metrics.rounds import BATCHES, MOST_ROUNDS, round_correlation, rounds_interval, split_rounds
from etc_edge.metrics.speed import difference_of
from tests.unit.metrics.test_block_length import autoregressive

TRIALS = 120


def run(seed: int, correlation: float, of_rounds: float, rounds: int = 10, frames: int = 30) -> list[np.ndarray]:
    """Latencies about 20 ms whose logarithms are an AR(1) series, rounds being apart by chance as well."""
    random = np.random.default_rng(seed)
    series = 0.05 * autoregressive(seed, rounds * frames, correlation).reshape(rounds, frames)
    return list(20 * np.exp(series + of_rounds * random.normal(size=(rounds, 1))))


@pytest.mark.parametrize(
    ("correlation", "of_rounds", "least"), [(0.0, 0.0, 0.93), (0.8, 0.0, 0.93), (0.95, 0.02, 0.85), (0.98, 0.0, 0.85)]
)
def test_coverage_of_a_median(correlation: float, of_rounds: float, least: float) -> None:
    hits = 0
    for seed in range(TRIALS):
        interval = rounds_interval(run(seed, correlation, of_rounds), 0.5, repetitions=200)
        assert interval is not None
        hits += interval[0] <= 20 <= interval[1]
    assert hits / TRIALS >= least


@pytest.mark.parametrize(
    ("rounds", "frames", "correlation"), [(10, 10, 0.5), (10, 10, 0.8), (5, 20, 0.5), (8, 40, 0.5)]
)
def test_short_runs_whose_frames_are_alike_are_told_apart_in_five_of_a_hundred(
    rounds: int, frames: int, correlation: float
) -> None:
    wrongly, trials = 0, 400
    for seed in range(trials):
        # The logarithm of a ratio turn by turn, whose truth is 0, as two models alike have it in one run.
        interval = rounds_interval(run(seed, correlation, 0.0, rounds, frames), 0.5, repetitions=200)
        assert interval is not None
        wrongly += not interval[0] <= 20 <= interval[1]
    # Two standard errors of a count of so many.
    assert wrongly <= 0.05 * trials + 2 * math.sqrt(0.05 * 0.95 * trials)


def test_two_runs_are_seldom_told_apart_and_a_slow_down_often() -> None:
    wrongly = found = 0
    for seed in range(TRIALS):
        ends = [rounds_interval(run(number, 0.5, 0.01), 0.5, repetitions=200) for number in (seed, 5000 + seed)]
        first, second = (end for end in ends if end is not None)
        medians = [float(np.median(run(number, 0.5, 0.01))) for number in (seed, 5000 + seed)]
        low, high = difference_of(medians[1], second, medians[0], first)
        wrongly += not low <= 0 <= high
        slower = 1.05 * medians[1], (1.05 * second[0], 1.05 * second[1])
        found += difference_of(*slower, medians[0], first)[0] > 0
    assert wrongly <= 0.05 * TRIALS
    assert found >= 0.9 * TRIALS


def test_too_little_is_no_interval() -> None:
    assert rounds_interval(run(0, 0, 0, rounds=4), 0.5) is None
    assert rounds_interval(run(0, 0, 0, rounds=10, frames=30), 0.99) is None, "300 values do not bound a p99"
    assert rounds_interval(run(0, 0, 0, rounds=10, frames=40), 0.99, repetitions=20) is not None
    assert rounds_interval([], 0.5) is None


def test_drift_widens_and_chance_does_not() -> None:
    drifting = [np.full(5, 10 + 0.1 * number) for number in range(12)]
    assert drift_factor(round_correlation(drifting)) > 2
    assert round_correlation([np.full(5, 10 + number % 2) for number in range(12)]) == 0
    assert round_correlation([np.full(5, 10.0)] * 12) == 0
    assert round_correlation(drifting[:4]) == 0, "four rounds say nothing of it"


def test_a_series_becomes_rounds() -> None:
    values = np.arange(100.0)
    assert [len(one) for one in split_rounds(values, [20] * 5)] == [20] * 5
    assert [len(one) for one in split_rounds(values, [100])] == [100 // BATCHES] * BATCHES
    assert [len(one) for one in split_rounds(values[:60], [30, 30])] == [30, 30], "too short to cut"
    assert len(split_rounds(values, [1] * 100)) == MOST_ROUNDS
    np.testing.assert_array_equal(np.concatenate(split_rounds(values, [50, 50])), values)
