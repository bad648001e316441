"""The range that all but a small share of the values lie in."""

from __future__ import annotations

import numpy as np

from etc_edge.graph.grid import Scheme
from etc_edge.quantization.observers.statistics import TensorStatistics

SHARE = 1e-4


def percentile(statistics: TensorStatistics, scheme: Scheme) -> tuple[float, float]:
    """Leave out a ten-thousandth of the values: on each side for `affine`, by magnitude for `symmetric`."""
    centers, counts = statistics.centers(), statistics.counts
    if scheme == "symmetric":
        order = np.argsort(np.abs(centers), kind="stable")
        magnitude = _at_share(np.abs(centers)[order], counts[order], 1 - SHARE)
        return max(-magnitude, min(statistics.low, 0.0)), min(magnitude, max(statistics.high, 0.0))
    low, high = _at_share(centers, counts, SHARE), _at_share(centers, counts, 1 - SHARE)
    return min(low, 0.0), max(high, 0.0)


def _at_share(values: np.ndarray, counts: np.ndarray, share: float) -> float:
    """The value below which `share` of the counts lie."""
    total = np.cumsum(counts)
    return float(values[min(np.searchsorted(total, share * total[-1]), len(values) - 1)])
