"""The range with the least loss of information (Kullback–Leibler divergence)."""

from __future__ import annotations

import numpy as np

from etc_edge.graph.grid import Grid, Scheme
from etc_edge.quantization.observers.statistics import TensorStatistics

CANDIDATES = 100


def entropy(statistics: TensorStatistics, scheme: Scheme) -> tuple[float, float]:
    """Minimise KL(P ‖ Q) over clipping fractions of the range, after Migacz, "8-bit inference with TensorRT" (2017).

    P is the histogram with everything outside the candidate range counted into its outermost bins; Q spreads
    each 8-bit code's share of the unclipped histogram evenly over the non-empty bins that map to that code.
    """
    low, high = min(statistics.low, 0.0), max(statistics.high, 0.0)
    used = np.flatnonzero(statistics.counts)
    values, counts = statistics.centers()[used], statistics.counts[used].astype(np.float64)
    best, least = 1.0, np.inf
    for part in np.linspace(1.0, 1.0 / CANDIDATES, CANDIDATES):
        divergence = _divergence(values, counts, Grid.covering(low * part, high * part, scheme))
        if divergence < least:
            best, least = float(part), divergence
    return low * best, high * best


def _divergence(values: np.ndarray, counts: np.ndarray, grid: Grid) -> float:
    inside = (values >= grid.low) & (values <= grid.high)
    if inside.sum() < 2:
        return np.inf
    reference = counts[inside].copy()
    first, last = np.flatnonzero(inside)[[0, -1]]
    reference[0] += counts[:first].sum()
    reference[-1] += counts[last + 1 :].sum()
    codes = np.round(values[inside] / grid.scale).astype(np.int64)
    codes -= codes.min()
    share = np.bincount(codes, counts[inside]) / np.maximum(np.bincount(codes), 1)
    candidate = share[codes]
    p, q = reference / reference.sum(), candidate / candidate.sum()
    return float(np.sum(p * np.log(p / q)))
