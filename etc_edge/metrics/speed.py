"""Whether one of two results is slower, with the state of the machine taken out as far as it can be.

Two runs find the machine in two states, and other processes, heat or a neighbour on the same hardware easily move a
median by more than a model's regression does. Three designs are known here, the best that both results allow is taken:

1. Both were measured in one run, in turns: the ratio turn by turn. Nothing of the machine is left in it.
2. Both timed the same reference, or the same yardstick, in turns: the change adjusted for what that tells of the
   machine (`adjustment`). What a second run does otherwise stays in it, and so the interval grows by `RUN_SPREAD`, and
   with the change of the cores that the yardstick was given by `CORES_SHARE`.
3. Neither: two independent figures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from msgspec import UnsetType

from etc_edge.core.results import Results
from etc_edge.metrics.adjustment import Response, Turns, adjusted_change
from etc_edge.metrics.bootstrap import LEVEL, Interval, normal_quantile
from etc_edge.metrics.intervals import latency_interval
from etc_edge.metrics.rounds import BATCHES, FEWEST_ROUNDS
from etc_edge.metrics.samples import FrameSamples

Float = npt.NDArray[np.float64]

RELATIVE = "relative latency"
"""Latency as a multiple of the reference's or the yardstick's on the same frame, median over frames."""

RUN_SPREAD = 0.005
"""Standard deviation of the logarithm of a latency from run to run, the machine's state adjusted for: where memory came
to lie, which cores were had. `benchmarks/repeated_runs.py` saw 0.003 beyond what chance within runs explains."""

FEWEST_TURNS = 40
"""Frames of a plain series below which no interval is given."""

CORES_SHARE = 1.5
"""How much of a change of the logarithm of the cores that the yardstick was given may stay in an adjusted latency:
networks differ in how well they use a second core. An allowance on the cautious side, not a constant of nature."""

OF_REFERENCE = Response(1.0, 0.05)
"""The reference is mostly the same network on the same engine, before it was changed."""

OF_YARDSTICK = Response(0.75, 0.2)
"""The yardstick is small, and loses more with a core than larger networks do."""


@dataclass(frozen=True)
class SpeedChange:
    """How latency changed beside what both results were held against.

    Args:
        against: what that is, in words.
        base: latency of the base as a multiple of it.
        new: of the new results.
        interval: of log(new / base), or None where it cannot be said.
        machine: by how much the state of the machine made the new latency longer; 1 in one run.
        unknown: how far, as a share, the state of the machine may have moved what is left.
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
    before, after = _turns_with_reference(base, base.reference), _turns_with_reference(new, new.reference)
    return _adjusted("the reference, frame by frame", before, after, OF_REFERENCE, 0.0)


def _against_yardstick(base: Results, new: Results) -> SpeedChange | None:
    before, after = base.yardstick, new.yardstick
    if isinstance(before, UnsetType) or isinstance(after, UnsetType):
        return None
    if (before.sha256, before.engine, base.device.get("cpu")) != (after.sha256, after.engine, new.device.get("cpu")):
        return None
    cores = CORES_SHARE * abs(math.log(after.cores / before.cores))
    turns = _turns_with_yardstick(base), _turns_with_yardstick(new)
    return _adjusted(f"the yardstick {after.name} on {after.engine}", turns[0], turns[1], OF_YARDSTICK, cores)


def _adjusted(
    against: str, before: Turns | None, after: Turns | None, usual: Response, cores: float
) -> SpeedChange | None:
    if before is None or after is None:
        return None
    base = float(np.median(np.concatenate(before.latencies) / np.concatenate(before.covariates)))
    if min(len(before.latencies), len(after.latencies)) < FEWEST_ROUNDS:
        new = float(np.median(np.concatenate(after.latencies) / np.concatenate(after.covariates)))
        return SpeedChange(against, base, new, None)
    found = adjusted_change(before, after, usual)
    runs = normal_quantile(LEVEL) * math.sqrt(2) * RUN_SPREAD
    half_width = math.hypot(found.half_width, cores, runs)
    interval = found.change - half_width, found.change + half_width
    unknown = math.hypot(found.unknown, cores)
    return SpeedChange(against, base, base * math.exp(found.change), interval, math.exp(found.machine), unknown)


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


def _turns_with_reference(results: Results, reference: Results) -> Turns | None:
    ours, theirs = _samples(results), _samples(reference)
    if ours is None or theirs is None or len(ours.latency_ms) != len(theirs.latency_ms) or not theirs.latency_ms.all():
        return None
    return _turns(ours, theirs.latency_ms)


def _turns_with_yardstick(results: Results) -> Turns | None:
    samples = _samples(results)
    if samples is None or samples.yardstick_ms is None:
        return None
    return _turns(samples, samples.yardstick_ms)


def _turns(samples: FrameSamples, covariates: Float) -> Turns:
    """By rounds, or a plain series of frames in batches."""
    both = [samples.rounds(values) for values in (samples.latency_ms, covariates)]
    if len(both[0]) < FEWEST_ROUNDS and len(covariates) >= FEWEST_TURNS:
        both = [list(np.array_split(values, BATCHES)) for values in (samples.latency_ms, covariates)]
    return Turns(*both)


def _log(interval: Interval | None) -> Interval | None:
    return None if interval is None else (math.log(interval[0]), math.log(interval[1]))
