"""Whether one of two results is slower, with the state of the machine taken out as far as it can be.

Two runs find the machine in two states, and other processes, heat or a neighbour on the same hardware easily move a
median by more than a model's regression does. Three designs are known here, the best that both results allow is taken:

1. Both were measured in one run, in turns: the ratio turn by turn. Nothing of the machine is left in it.
2. Both timed the same reference, or the same yardstick, in turns: the ratio of their ratios. What hits another network
   a little differently stays in it. Networks differ most in how well they use a second core; so the interval grows with
   the change of the yardstick's time and of the cores that it was given (`STATE_SHARES`).
3. Neither: two independent figures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from msgspec import UnsetType

from etc_edge.core.results import Results
from etc_edge.metrics.bootstrap import Interval
from etc_edge.metrics.intervals import latency_interval
from etc_edge.metrics.samples import FrameSamples

Float = npt.NDArray[np.float64]

RELATIVE = "relative latency"
"""Latency as a multiple of the reference's or the yardstick's on the same frame, median over frames."""

STATE_SHARES = {"time": 0.15, "cores": 0.75}
"""How much of a change of the yardstick may come back in the ratio to it: of the logarithm of its time, and of the
logarithm of the cores that it was given. An allowance on the cautious side, not a constant of nature: networks differ
in how well they use a second core. `benchmarks/repeated_runs.py` counts how often verdicts with it are wrong."""


@dataclass(frozen=True)
class SpeedChange:
    """How latency changed beside what both results were held against.

    Args:
        against: what that is, in words.
        base: latency of the base as a multiple of it.
        new: of the new results.
        interval: of log(new / base), or None where it cannot be said.
        machine: time of the yardstick or reference now as a multiple of before; 1 in one run.
        unknown: how far, as a share, the state of the machine may have moved the ratio.
    """

    against: str
    base: float
    new: float
    interval: Interval | None
    machine: float = 1.0
    unknown: float = 0.0


def speed_change(base: Results, new: Results) -> SpeedChange | None:
    """The change of latency by the best design that both results allow, or None where there is none but the third."""
    return _in_one_run(base, new) or _against_reference(base, new) or _against_yardstick(base, new)


def _in_one_run(base: Results, new: Results) -> SpeedChange | None:
    if isinstance(base.protocol, UnsetType) or isinstance(new.protocol, UnsetType):
        return None
    if base.protocol.run != new.protocol.run:
        return None
    before, after = _samples(base), _samples(new)
    if before is None or after is None or before.clip_frames != after.clip_frames:
        return None
    ratios = after.latency_ms / before.latency_ms
    interval = _log(latency_interval(after, ratios, 0.5))
    return SpeedChange("the base, turn by turn", 1.0, float(np.median(ratios)), interval)


def _against_reference(base: Results, new: Results) -> SpeedChange | None:
    if isinstance(base.reference, UnsetType) or isinstance(new.reference, UnsetType):
        return None
    if engine_of(base.reference) != engine_of(new.reference):
        return None
    before, after = _frame_ratios(base), _frame_ratios(new)
    if before is None or after is None:
        return None
    references = base.reference.latency_ms, new.reference.latency_ms
    machine = 1.0
    if not isinstance(references[0], UnsetType) and not isinstance(references[1], UnsetType):
        machine = references[1].p50 / references[0].p50
    return _ratio_of_ratios("the reference, frame by frame", before, after, machine, 0.0)


def _against_yardstick(base: Results, new: Results) -> SpeedChange | None:
    before, after = base.yardstick, new.yardstick
    if isinstance(before, UnsetType) or isinstance(after, UnsetType):
        return None
    if (before.sha256, before.engine, base.device.get("cpu")) != (after.sha256, after.engine, new.device.get("cpu")):
        return None
    ratios = _yardstick_ratios(base), _yardstick_ratios(new)
    if ratios[0] is None or ratios[1] is None:
        return None
    machine = after.latency_ms.p50 / before.latency_ms.p50
    unknown = STATE_SHARES["time"] * abs(math.log(machine))
    unknown += STATE_SHARES["cores"] * abs(math.log(after.cores / before.cores))
    return _ratio_of_ratios(f"the yardstick {after.name} on {after.engine}", ratios[0], ratios[1], machine, unknown)


def _ratio_of_ratios(
    against: str, before: tuple[FrameSamples, Float], after: tuple[FrameSamples, Float], machine: float, unknown: float
) -> SpeedChange:
    base, new = (float(np.median(ratios)) for _, ratios in (before, after))
    intervals = [_log(latency_interval(samples, ratios, 0.5)) for samples, ratios in (before, after)]
    interval = None
    if intervals[0] is not None and intervals[1] is not None:
        interval = difference_of(math.log(new), intervals[1], math.log(base), intervals[0])
        interval = interval[0] - unknown, interval[1] + unknown
    return SpeedChange(against, base, new, interval, machine, unknown)


def difference_of(new: float, new_interval: Interval, base: float, base_interval: Interval) -> Interval:
    """The interval of the difference of two independent figures from their own intervals.

    Distances to the ends are added in squares (Zou & Donner 2008, "Construction of confidence limits about effect
    measures", MOVER).
    """
    down = math.hypot(new - new_interval[0], base_interval[1] - base)
    up = math.hypot(new_interval[1] - new, base - base_interval[0])
    return new - base - down, new - base + up


def engine_of(results: Results) -> tuple[object, ...]:
    """What two results have in common where the same model ran on the same engine."""
    return results.bundle.sha256, results.bundle.target, results.bundle.threads, results.device.get("cpu")


def _samples(results: Results) -> FrameSamples | None:
    return None if isinstance(results.samples, UnsetType) else FrameSamples.of(results.samples)


def _frame_ratios(results: Results) -> tuple[FrameSamples, Float] | None:
    if isinstance(results.reference, UnsetType):
        return None
    ours, theirs = _samples(results), _samples(results.reference)
    if ours is None or theirs is None:
        return None
    if len(ours.latency_ms) != len(theirs.latency_ms) or not theirs.latency_ms.all():
        return None
    return ours, ours.latency_ms / theirs.latency_ms


def _yardstick_ratios(results: Results) -> tuple[FrameSamples, Float] | None:
    samples = _samples(results)
    if samples is None or samples.yardstick_ms is None:
        return None
    return samples, samples.latency_ms / samples.yardstick_ms


def _log(interval: Interval | None) -> Interval | None:
    return None if interval is None else (math.log(interval[0]), math.log(interval[1]))
