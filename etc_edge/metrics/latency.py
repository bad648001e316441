"""Latency figures of any number of frames, in memory that does not grow."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

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
        # An array, since a list holds an object of 32 bytes for each; filled, so that all memory is had at once.
        self._durations_ms = np.full(EXACT, np.nan)
        self._bins: npt.NDArray[np.int64] | None = None
        self._sum_ms, self._max_ms = 0.0, 0.0
        self.count = 0

    def add(self, duration_ms: float) -> None:
        """Record one duration in milliseconds."""
        if self.count < EXACT:
            self._durations_ms[self.count] = duration_ms
        else:
            if self._bins is None:
                self._bins = _counted(self._durations_ms)
                self._durations_ms = np.empty(0, np.float64)
            self._bins[_bin(duration_ms)] += 1
        self._sum_ms += duration_ms
        self._max_ms = max(self._max_ms, duration_ms)
        self.count += 1

    def merge(self, other: LatencyHistogram) -> None:
        """Add what another has gathered."""
        durations = other._durations_ms[: other.count].tolist()
        if other._bins is not None:
            # The middle of a bin stands for what it counted, within half a per cent.
            durations = np.repeat(LOWEST_MS * GROWTH ** (np.arange(BINS) + 0.5), other._bins).tolist()
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
        # Durations first: they go when bins are there.
        durations, count, bins = self._durations_ms, self.count, self._bins
        if bins is None:
            return float(np.percentile(durations[:count], percent))
        place = int(np.searchsorted(np.cumsum(bins), percent / 100 * (count - 1), side="right"))
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
    """Where a duration is counted; what is outside all bins goes to the outermost."""
    if duration_ms <= LOWEST_MS:
        return 0
    return min(int(math.log(duration_ms / LOWEST_MS) / math.log(GROWTH)), BINS - 1)


def _counted(durations_ms: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Counts (BINS,) of many durations at once: as `_bin`, without an object for each."""
    places = np.log(np.maximum(durations_ms, LOWEST_MS) / LOWEST_MS) / math.log(GROWTH)
    return np.bincount(np.minimum(places, BINS - 1).astype(np.intp), minlength=BINS)
