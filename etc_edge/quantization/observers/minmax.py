"""The whole range that was seen."""

from __future__ import annotations

from etc_edge.graph.grid import Scheme
from etc_edge.quantization.observers.statistics import TensorStatistics


def minmax(statistics: TensorStatistics, scheme: Scheme) -> tuple[float, float]:
    """Cover every value: no saturation, the coarsest steps."""
    return min(statistics.low, 0.0), max(statistics.high, 0.0)
