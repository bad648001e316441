"""The observer's role and the table of observers."""

from __future__ import annotations

from typing import Protocol

from etc_edge.core.table import Table
from etc_edge.graph.grid import Scheme
from etc_edge.quantization.observers.statistics import TensorStatistics


class Observer(Protocol):
    """A function from statistics to the range [low, high] that the tensor's grid shall cover."""

    def __call__(self, statistics: TensorStatistics, scheme: Scheme) -> tuple[float, float]:
        """Choose a range with low ≤ 0 ≤ high; values outside will saturate."""


OBSERVERS: Table[Observer] = Table(
    "observer",
    {
        "minmax": "etc_edge.quantization.observers.minmax:minmax",
        "moving_average": "etc_edge.quantization.observers.moving_average:moving_average",
        "percentile": "etc_edge.quantization.observers.percentile:percentile",
        "entropy": "etc_edge.quantization.observers.entropy:entropy",
        "mse": "etc_edge.quantization.observers.mse:mse",
    },
)
