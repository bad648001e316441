"""Latency figures of any number of frames, in memory that does not grow."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from etc_edge.core.errors import EtcEdgeError
from etc_edge.core.results import Latency

PERCENTS = (50.0, 90.0, 95.0, 99.0)
# Up to this many durations are kept as they are; beyond it they are counted in bins.
EXACT = 8192
# Each bin is half a per cent wider than the last, from a microsecond to twenty minutes.
GROWTH = 1.005
LOWEST_MS = 1e-3
BINS = math.ceil(math.log(1.2e6 / LOWEST_MS) / math.log(GROWTH)) + 1


class LatencyHistogram:
    """Gathers durations; one thread adds.

    Percentiles are exact, by linear interpolation, up to 8,192 durations and within half a per cent beyond. Mean and
    maximum are always exact.
    """

    def __init__(self) -> None:
        self._durations_ms: list[float] = []
        self._bins: list[int] | None = None
        self._sum_ms, self._max_ms = 0.0, 0.0
        self.count = 0

    def add(self, duration_ms: float) -> None:
        """Record one duration in milliseconds."""
        self.count += 1
        self._sum_ms += duration_ms
        self._max_ms = max(self._max_ms, duration_ms)
        if self._bins is not None:
            self._bins[_bin(duration_ms)] += 1
            return
        self._durations_ms.append(duration_ms)
        if len(self._durations_ms) > EXACT:
            self._bins = [0] * BINS
            for duration in self._durations_ms:
                self._bins[_bin(duration)] += 1
            self._durations_ms = []

    def merge(self, other: LatencyHistogram) -> None:
        """Add what another has gathered."""
        durations = other._durations_ms
        if other._bins is not None:
            # The middle of a bin stands for what it counted, within half a per cent.
            durations = [
                LOWEST_MS * GROWTH ** (place + 0.5) for place, count in enumerate(other._bins) for _ in range(count)
            ]
        sum_ms, max_ms = self._sum_ms + other._sum_ms, max(self._max_ms, other._max_ms)
        for duration in durations:
            self.add(duration)
        self._sum_ms, self._max_ms = sum_ms, max_ms

    def figures(self) -> Latency | None:
        """As `compute`, or None where nothing was recorded yet; any thread may ask."""
        return self.compute() if self.count else None

    def compute(self) -> Latency:
        """Mean, p50, p90, p95, p99 and maximum in milliseconds.

        Raises:
            EtcEdgeError: nothing was recorded.
        """
        if not self.count:
            raise EtcEdgeError("Found no frame that was timed, expected one or more.")
        p50, p90, p95, p99 = (self._percentile_ms(percent) for percent in PERCENTS)
        mean = self._sum_ms / self.count
        return Latency(mean=mean, p50=p50, p90=p90, p95=p95, p99=p99, max=self._max_ms)

    def _percentile_ms(self, percent: float) -> float:
        if self._bins is None:
            return float(np.percentile(self._durations_ms, percent))
        cumulated = np.cumsum(self._bins)
        place = int(np.searchsorted(cumulated, percent / 100 * (self.count - 1), side="right"))
        return float(min(LOWEST_MS * GROWTH ** (place + 0.5), self._max_ms))


def latency(durations_ms: Iterable[float]) -> Latency:
    """Figures of a list of durations in milliseconds.

    Raises:
        EtcEdgeError: the list is empty.
    """
    gathered = LatencyHistogram()
    for duration in durations_ms:
        gathered.add(duration)
    return gathered.compute()


def _bin(duration_ms: float) -> int:
    if duration_ms <= LOWEST_MS:
        return 0
    return min(int(math.log(duration_ms / LOWEST_MS) / math.log(GROWTH)), BINS - 1)
