"""Block lengths grow with the autocorrelation, and agree with the formula where its parts are known."""

from __future__ import annotations

import numpy as np
import pytest

from etc_edge.metrics.block_length import block_length


def autoregressive(seed: int, count: int, correlation: float) -> np.ndarray:
    """A stationary AR(1) series of unit variance."""
    noise = np.random.default_rng(seed).normal(size=count) * np.sqrt(1 - correlation**2)
    values = np.empty(count)
    values[0] = noise[0] / np.sqrt(1 - correlation**2)
    for index in range(1, count):
        values[index] = correlation * values[index - 1] + noise[index]
    return values


def test_frames_that_resemble_each_other_stay_together() -> None:
    lengths = [
        np.mean([block_length([autoregressive(seed, 400, correlation)]) for seed in range(20)])
        for correlation in (0.0, 0.5, 0.8)
    ]
    assert lengths[0] < 5
    assert lengths[0] < lengths[1] < lengths[2]


def test_twice_the_formula_for_a_known_process() -> None:
    # AR(1): g(0) = (1+ρ)/(1−ρ), G = 2ρ/(1−ρ)², both in units of the variance.
    correlation, count = 0.5, 8_000
    spectrum, slope = (1 + correlation) / (1 - correlation), 2 * correlation / (1 - correlation) ** 2
    expected = 2 * (2 * slope**2 / (4 / 3 * spectrum**2) * count) ** (1 / 3)
    found = [block_length([autoregressive(seed, count, correlation)]) for seed in range(8)]
    assert np.mean(found) == pytest.approx(expected, rel=0.25)


@pytest.mark.parametrize("series", [[], [np.ones(1)], [np.ones(1)] * 9, [np.zeros(50)], [np.empty(0)]])
def test_nothing_to_keep_together(series: list[np.ndarray]) -> None:
    assert block_length(series) == 1


def test_a_difference_between_clips_is_no_correlation_of_frames() -> None:
    random = np.random.default_rng(0)
    clips = [random.normal(size=60) + 10 * number for number in range(4)]
    assert block_length(clips) < 8
