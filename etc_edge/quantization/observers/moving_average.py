"""The range of an average frame."""

from __future__ import annotations

from etc_edge.graph.grid import Scheme
from etc_edge.quantization.observers.statistics import TensorStatistics


def moving_average(statistics: TensorStatistics, scheme: Scheme) -> tuple[float, float]:
    """Cover the exponential moving average of the frames' extremes (Jacob et al. 2018, section 3.1)."""
    return min(statistics.average_low, 0.0), max(statistics.average_high, 0.0)
