"""The range with the least mean squared quantization error."""

from __future__ import annotations

import numpy as np

from etc_edge.graph.grid import Grid, Scheme
from etc_edge.quantization.observers.statistics import TensorStatistics

STEPS = 100
ROUNDS = 3


def mse(statistics: TensorStatistics, scheme: Scheme) -> tuple[float, float]:
    """Minimise Σ (x − Q(x))² over the histogram.

    `symmetric` tries a hundred magnitudes; `affine` moves the two ends in turn, which finds the optimum of a
    signed tensor whose tails differ.
    """
    low, high = min(statistics.low, 0.0), max(statistics.high, 0.0)
    used = statistics.counts > 0
    values, weights = statistics.centers()[used], statistics.counts[used].astype(np.float64)
    fractions = np.arange(STEPS, 0, -1) / STEPS
    if scheme == "symmetric":
        magnitude = max(-low, high)
        best = min(fractions, key=lambda part: _error(values, weights, -magnitude * part, magnitude * part, scheme))
        return max(-magnitude * best, low), min(magnitude * best, high)
    best_low, best_high = low, high
    for _ in range(ROUNDS):
        previous = best_low, best_high
        best_high = high * min(fractions, key=lambda part: _error(values, weights, best_low, high * part, scheme))
        if low < 0.0:
            best_low = low * min(fractions, key=lambda part: _error(values, weights, low * part, best_high, scheme))
        if (best_low, best_high) == previous:
            break
    return best_low, best_high


def _error(values: np.ndarray, weights: np.ndarray, low: float, high: float, scheme: Scheme) -> float:
    difference = values - Grid.covering(low, high, scheme).simulate(values)
    return float(np.dot(weights, difference * difference))
