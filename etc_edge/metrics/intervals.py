"""Intervals of the figures of results, and of the differences of two that were measured on the same frames."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from etc_edge.metrics.bootstrap import LEVEL, Interval, normal_quantile, quantile_interval, sums_interval
from etc_edge.metrics.rounds import FEWEST_ROUNDS, rounds_interval
from etc_edge.metrics.samples import FrameSamples

Float = npt.NDArray[np.float64]

# Path of a figure: the rows of samples that it is summed from, and how.
_SUMMED: dict[str, tuple[str, Callable[[Float], Float]]] = {
    "accuracy.miou": ("truth", lambda sums: mean_iou(sums)),
    "temporal.tc": ("steadiness", lambda sums: mean_iou(sums)),
    "temporal.flicker": ("flicker", lambda sums: sums[:, 0] / np.maximum(sums[:, 1], 1)),
}
LATENCY_SHARES = {"latency_ms.p50": 0.5, "latency_ms.p90": 0.9, "latency_ms.p99": 0.99}

STATE_SPREAD = 0.02
"""Standard deviation of the logarithm of a median latency from run to run on one machine that is left alone, since no
two runs find it in the same state: seen by `benchmarks/repeated_runs.py` on two cores of a shared server."""


def figure_intervals(samples: FrameSamples) -> dict[str, Interval]:
    """95 % intervals by the path of a figure; where there are too few frames for one, it is absent."""
    found = {
        path: sums_interval(samples.by_clip(getattr(samples, rows)), statistic)
        for path, (rows, statistic) in _SUMMED.items()
    }
    for path, share in LATENCY_SHARES.items():
        found[path] = _of_other_runs(latency_interval(samples, samples.latency_ms, share), samples.latency_ms, share)
    if samples.yardstick_ms is not None:
        found["yardstick.relative"] = latency_interval(samples, samples.latency_ms / samples.yardstick_ms, 0.5)
    return {path: interval for path, interval in found.items() if interval is not None}


def _of_other_runs(interval: Interval | None, latencies: Float, share: float) -> Interval | None:
    """Wider: intervals of two runs overlap as often as `LEVEL` says, though states lie `STATE_SPREAD` apart."""
    if interval is None:
        return None
    middle = float(np.quantile(latencies, share))
    apart = normal_quantile(LEVEL) / math.sqrt(2) * STATE_SPREAD
    low, high = (math.hypot(math.log(end / middle), apart) for end in interval)
    return middle * math.exp(-low), middle * math.exp(high)


def latency_interval(samples: FrameSamples, values: Float, share: float) -> Interval | None:
    """The interval of a quantile of the frames' latencies or of ratios of them: by rounds where there are enough."""
    rounds = samples.rounds(values)
    if len(rounds) < FEWEST_ROUNDS:
        return quantile_interval(values, share)
    return rounds_interval(rounds, share)


def difference_intervals(first: FrameSamples, second: FrameSamples, level: float = LEVEL) -> dict[str, Interval]:
    """Intervals of first − second, with the same frames drawn for both, by the path of a figure.

    What both find hard cancels: these are far narrower than the difference of two intervals.

    Args:
        first: counts of one model.
        second: of another on the same frames.
        level: see `sums_interval`.
    """
    found: dict[str, Interval] = {}
    for path, (rows, statistic) in _SUMMED.items():
        left, right = (getattr(samples, rows).reshape(len(samples.latency_ms), -1) for samples in (first, second))
        counts = first.by_clip(np.concatenate([left, right], axis=1))
        interval = sums_interval(counts, _difference(statistic), level)
        if interval is not None:
            found[path] = interval
    return found


def upper_ends(first: FrameSamples, second: FrameSamples, confidence: float) -> dict[str, float]:
    """How large first − second may be, with a one-sided confidence, by the path of a figure; never less than it is.

    Args:
        first: counts of one model.
        second: of another on the same frames.
        confidence: how often ends of this kind lie above the difference of the whole population, 0.5 to 1.
    """
    found = dict[str, float]()
    for path, (_, end) in difference_intervals(first, second, 2 * confidence - 1).items():
        rows, statistic = _SUMMED[path]
        left, right = (statistic(getattr(one, rows).sum(0).reshape(1, -1))[0] for one in (first, second))
        found[path] = max(end, float(left - right))
    return found


def same_frames(first: FrameSamples, second: FrameSamples) -> bool:
    """Whether two samples are of the same clips, frame for frame, in the same classes."""
    return (first.classes, first.clips, first.clip_frames) == (second.classes, second.clips, second.clip_frames)


def mean_iou(sums: Float) -> Float:
    """Mean IoU over the classes with a union, (R,), of intersections, then unions, (R, 2 · classes); else nan."""
    intersections, unions = np.split(sums, 2, axis=1)
    present = unions > 0
    iou = np.divide(intersections, unions, out=np.zeros_like(intersections), where=present)
    counts = present.sum(1)
    mean: Float = np.divide(iou.sum(1), counts, out=np.full(len(sums), np.nan), where=counts > 0)
    return mean


def _difference(statistic: Callable[[Float], Float]) -> Callable[[Float], Float]:
    def difference(sums: Float) -> Float:
        left, right = np.split(sums, 2, axis=1)
        found: Float = statistic(left) - statistic(right)
        return found

    return difference
