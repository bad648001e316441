"""What neighbours have in common, against series whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etc_edge.metrics.persistence import correlation_of_means, drift_factor, neighbour_correlation
from tests.unit.metrics.test_block_length import autoregressive


@pytest.mark.parametrize("correlation", [0.2, 0.5, 0.8])
def test_short_series_are_no_less_alike_than_long_ones(correlation: float) -> None:
    pieces = [[autoregressive(100 * seed + part, 25, correlation) for part in range(8)] for seed in range(60)]
    assert np.mean([neighbour_correlation(series) for series in pieces]) == pytest.approx(correlation, abs=0.06)
    assert neighbour_correlation([autoregressive(0, 20_000, correlation)]) == pytest.approx(correlation, abs=0.02)


@pytest.mark.parametrize(("correlation", "count"), [(0.5, 10), (0.8, 5), (0.95, 40)])
def test_means_behind_one_another_by_their_autocovariances(correlation: float, count: int) -> None:
    lags = np.abs(np.subtract.outer(np.arange(2 * count), np.arange(2 * count)))
    covariance = correlation**lags
    first, second = np.repeat([[1.0, 0.0], [0.0, 1.0]], count, axis=1) / count
    expected = (first @ covariance @ second) / (first @ covariance @ first)
    assert correlation_of_means(correlation, count) == pytest.approx(expected)


@given(st.floats(0, 0.9), st.integers(1, 60))
def test_means_are_less_alike_than_values(correlation: float, count: int) -> None:
    assert -1e-9 <= correlation_of_means(correlation, count) <= correlation + 1e-9


def test_nothing_in_common() -> None:
    assert neighbour_correlation([]) == neighbour_correlation([np.ones(9), np.empty(0)]) == 0
    assert neighbour_correlation([np.array([1.0, -1.0] * 9)]) == 0
    assert drift_factor(0.0) == 1


def test_the_error_of_a_mean_is_that_of_an_ar1_series() -> None:
    correlation, count = 0.6, 4_000
    lags = np.arange(1, count)
    exact = 1 + 2 * float(np.sum((1 - lags / count) * correlation**lags))
    assert drift_factor(correlation) ** 2 == pytest.approx(exact, rel=1e-3)
