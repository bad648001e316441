"""Every observer on raw values, against brute force and straightforward implementations of its definition."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etc_edge.graph.grid import Grid, Scheme
from etc_edge.quantization.observers.entropy import CANDIDATES, entropy
from etc_edge.quantization.observers.moving_average import moving_average
from etc_edge.quantization.observers.mse import STEPS, mse
from etc_edge.quantization.observers.observer import OBSERVERS
from etc_edge.quantization.observers.percentile import SHARE, percentile
from etc_edge.quantization.observers.statistics import BINS, TensorStatistics

SCHEMES: list[Scheme] = ["affine", "symmetric"]
COUNT = 20_000


def heavy_tails(random: np.random.Generator) -> np.ndarray:
    return random.standard_t(3, COUNT)


def rectified(random: np.random.Generator) -> np.ndarray:
    return np.maximum(random.normal(0, 1, COUNT), 0)


def relu6(random: np.random.Generator) -> np.ndarray:
    return np.clip(random.normal(1, 3, COUNT), 0, 6)


def lopsided(random: np.random.Generator) -> np.ndarray:
    return np.concatenate([random.normal(0, 0.2, COUNT), random.exponential(2, COUNT // 4)])


def swish(random: np.random.Generator) -> np.ndarray:
    values = random.normal(0, 2, COUNT)
    return values * np.clip(values + 3, 0, 6) / 6


def negative(random: np.random.Generator) -> np.ndarray:
    return -random.exponential(1, COUNT)


SHAPES: list[Callable[[np.random.Generator], np.ndarray]] = [heavy_tails, rectified, relu6, lopsided, swish, negative]


def values_of(shape: Callable[[np.random.Generator], np.ndarray]) -> np.ndarray:
    return shape(np.random.default_rng(0)).astype(np.float32)


def gather(values: np.ndarray, frames: int = 4) -> TensorStatistics:
    statistics = TensorStatistics()
    for frame in np.array_split(values, frames):
        statistics.update(float(frame.min()), float(frame.max()), frame)
    return statistics


def error(values: np.ndarray, low: float, high: float, scheme: Scheme) -> float:
    difference = values.astype(np.float64) - Grid.covering(low, high, scheme).simulate(values)
    return float(np.mean(difference**2))


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", OBSERVERS.names())
@pytest.mark.parametrize("shape", SHAPES)
def test_ranges_hold_zero_and_stay_within_what_was_seen(
    shape: Callable[[np.random.Generator], np.ndarray], name: str, scheme: Scheme
) -> None:
    values = values_of(shape)
    low, high = OBSERVERS.load(name)(gather(values), scheme)
    assert min(values.min(), 0) <= low <= 0 <= high <= max(values.max(), 0)
    assert high > low


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", OBSERVERS.names())
@pytest.mark.parametrize("value", [0.0, 2.5, -0.25])
def test_a_constant_tensor_is_represented(value: float, name: str, scheme: Scheme) -> None:
    values = np.full(1000, value, np.float32)
    low, high = OBSERVERS.load(name)(gather(values), scheme)
    found = Grid.covering(low, high, scheme).simulate(values)
    assert np.abs(found - value).max() <= abs(value) / 100


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("shape", SHAPES)
def test_minmax_covers_everything(shape: Callable[[np.random.Generator], np.ndarray], scheme: Scheme) -> None:
    values = values_of(shape)
    assert OBSERVERS.load("minmax")(gather(values), scheme) == (min(values.min(), 0), max(values.max(), 0))


def test_moving_average_by_hand() -> None:
    statistics = TensorStatistics()
    for low, high in ((-1.0, 2.0), (-3.0, 4.0)):
        statistics.update(low, high, np.array([low, high], np.float32))
    # Jacob et al., 3.1, with 0.9 of the past: −1 · 0.9 − 3 · 0.1 and 2 · 0.9 + 4 · 0.1.
    assert moving_average(statistics, "affine") == pytest.approx((-1.2, 2.2))


@pytest.mark.parametrize("shape", SHAPES)
def test_percentile_leaves_out_a_ten_thousandth(shape: Callable[[np.random.Generator], np.ndarray]) -> None:
    values = values_of(shape)
    statistics = gather(values)
    bin_width = float(2 * statistics.span / BINS)
    low, high = np.quantile(values, (SHARE, 1 - SHARE))
    # Values are rare where a ten-thousandth is cut, so neighbours lie further apart than a bin.
    gap = float(np.ptp(np.sort(np.abs(values))[-8:]))
    assert percentile(statistics, "affine") == pytest.approx((min(low, 0), max(high, 0)), abs=bin_width + gap)
    magnitude = np.quantile(np.abs(values), 1 - SHARE)
    found = percentile(statistics, "symmetric")
    assert max(-found[0], found[1]) == pytest.approx(magnitude, abs=bin_width + gap)


def brute_force(values: np.ndarray, scheme: Scheme, steps: int) -> float:
    """The least error over a grid of clipping fractions of both ends."""
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    fractions = np.arange(1, steps + 1) / steps
    if scheme == "symmetric":
        largest = max(-low, high)
        return min(error(values, -largest * part, largest * part, scheme) for part in fractions)
    lows = [low * part for part in fractions] if low < 0 else [0.0]
    highs = [high * part for part in fractions] if high > 0 else [0.0]
    return min(error(values, one, other, scheme) for one in lows for other in highs)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("shape", SHAPES)
def test_mse_is_as_good_as_brute_force(shape: Callable[[np.random.Generator], np.ndarray], scheme: Scheme) -> None:
    values = values_of(shape)
    low, high = mse(gather(values), scheme)
    # A step of the search apart, and the histogram's bins instead of the values.
    assert error(values, low, high, scheme) <= 1.03 * brute_force(values, scheme, 25 if scheme == "affine" else STEPS)


@given(st.integers(0, 1000), st.floats(0.01, 100), st.sampled_from(SCHEMES))
@settings(max_examples=15)
def test_mse_scales_with_the_values(seed: int, factor: float, scheme: Scheme) -> None:
    values = np.random.default_rng(seed).standard_t(4, 5000).astype(np.float32)
    one, other = mse(gather(values), scheme), mse(gather(values * np.float32(factor)), scheme)
    assert np.array(other) == pytest.approx(np.array(one) * factor, rel=0.03, abs=0.03 * factor)


def straightforward_divergence(values: np.ndarray, counts: np.ndarray, grid: Grid) -> float:
    """KL(P ‖ Q) of Migacz's slides, bin by bin, with dictionaries."""
    inside = [i for i, value in enumerate(values) if grid.low <= value <= grid.high]
    if len(inside) < 2:
        return math.inf
    reference = {i: float(counts[i]) for i in inside}
    reference[inside[0]] += float(sum(counts[: inside[0]]))
    reference[inside[-1]] += float(sum(counts[inside[-1] + 1 :]))
    members = defaultdict(list)
    for i in inside:
        members[round(float(values[i]) / grid.scale)].append(i)
    candidate = {}
    for bins in members.values():
        mass = sum(float(counts[i]) for i in bins)
        candidate.update({i: mass / len(bins) for i in bins})
    p_total, q_total = sum(reference.values()), sum(candidate.values())
    return sum(reference[i] / p_total * math.log((reference[i] / p_total) / (candidate[i] / q_total)) for i in inside)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("shape", [heavy_tails, rectified, lopsided])
def test_entropy_has_the_least_divergence(shape: Callable[[np.random.Generator], np.ndarray], scheme: Scheme) -> None:
    statistics = gather(values_of(shape))
    low, high = min(statistics.low, 0.0), max(statistics.high, 0.0)
    found_low, found_high = entropy(statistics, scheme)
    part = found_high / high
    assert found_low == pytest.approx(low * part)
    used = np.flatnonzero(statistics.counts)
    values, counts = statistics.centers()[used], statistics.counts[used]
    parts = np.arange(1, CANDIDATES + 1)[::3] / CANDIDATES
    divergences = [straightforward_divergence(values, counts, Grid.covering(low * p, high * p, scheme)) for p in parts]
    found = straightforward_divergence(values, counts, Grid.covering(found_low, found_high, scheme))
    assert found <= min(divergences) + 1e-9
