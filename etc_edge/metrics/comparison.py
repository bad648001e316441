"""Two results side by side: what changed, and whether the change is outside the noise."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from msgspec import UnsetType

from etc_edge.core.figure_paths import Path, measured_figures
from etc_edge.core.results import Results
from etc_edge.metrics.bootstrap import LEVEL, Interval, normal_quantile
from etc_edge.metrics.intervals import difference_intervals, same_frames
from etc_edge.metrics.samples import FrameSamples
from etc_edge.metrics.speed import RELATIVE, SpeedChange, difference_of, speed_change

Verdict = Literal["better", "worse", "noise", "same", "unknown"]

ALIKE = 0.05
"""Up to this share, the time of the same reference in two runs passes for that of one machine in one state."""

TAIL_LEVEL = 0.99
"""Tails of latency are told beside the median; their intervals are wider, so that all together seldom tell a change
that is none."""

# Path of each figure that is compared, and whether more of it is better.
_FIGURES: dict[Path, bool] = {
    ("accuracy", "miou"): True,
    ("accuracy", "pixel_accuracy"): True,
    ("temporal", "tc"): True,
    ("temporal", "tc_etc"): True,
    ("temporal", "flicker"): False,
    ("temporal", "vc8"): True,
    ("temporal", "vc16"): True,
    ("temporal", "agreement"): True,
    ("drop", "miou"): False,
    ("drop", "tc"): False,
    ("latency_ms", "p50"): False,
    ("latency_ms", "p90"): False,
    ("latency_ms", "p99"): False,
    ("throughput_fps",): True,
    ("bundle", "model_bytes"): False,
    ("peak_memory_bytes",): False,
    ("energy_j_per_frame",): False,
}
# Counted, not measured: any difference is one.
_EXACT = {("bundle", "model_bytes")}


@dataclass(frozen=True)
class Change:
    """One figure of two results.

    Args:
        figure: its path, with dots.
        base: in the base.
        new: in the results that are compared with it.
        interval: of new − base, 95 %, or None where it cannot be said.
        machine: by how much the machine was slower for `new`, as the yardstick or the reference tells; taken out of the
            difference and of its interval.
        verdict: whether it became better or worse beyond its noise, or the change may be noise; "unknown" without an
            interval.
    """

    figure: str
    base: float
    new: float
    interval: Interval | None
    verdict: Verdict
    machine: float = 1.0

    @property
    def difference(self) -> float:
        """new − base, where new is what it would be on the machine as it was for base."""
        return self.new / self.machine - self.base


def changes(base: Results, new: Results) -> list[Change]:
    """Every figure that both results hold.

    Where both were measured on the same frames and kept their counts, intervals of accuracy and steadiness are paired:
    the same frames are drawn for both. Otherwise the two intervals are put together (see `difference_of`). Of latencies
    the state of the machine is taken out where something tells it (see `speed`).
    """
    before, after = measured_figures(base), measured_figures(new)
    paired, speed = paired_intervals(base, new), speed_change(base, new)
    found = []
    for path, more_is_better in _FIGURES.items():
        if path not in before or path not in after:
            continue
        if path[0] == "latency_ms":
            found.append(_latency_change(path, before[path], after[path], _interval(path, base, new, {}), speed))
        else:
            interval = _interval(path, base, new, paired)
            found.append(_change(path, before[path], after[path], interval, more_is_better))
    if speed is None:
        return found
    interval = None if speed.interval is None else _of_base(speed.base, speed.interval)
    return [*found, _change((RELATIVE,), speed.base, speed.new, interval, more_is_better=False)]


def paired_intervals(base: Results, new: Results) -> Mapping[str, Interval]:
    """Intervals of new − base by path, where both were measured on the same frames; else nothing."""
    if isinstance(base.samples, UnsetType) or isinstance(new.samples, UnsetType):
        return {}
    if (base.data.name, base.data.split) != (new.data.name, new.data.split) or _flow(base) != _flow(new):
        return {}
    before, after = FrameSamples.of(base.samples), FrameSamples.of(new.samples)
    if not same_frames(before, after):
        return {}
    found = difference_intervals(after, before)
    if _same_reference_counts(base, new):
        # Then a drop changes by what the model's own figure changes, the other way round.
        found |= {f"drop.{path.partition('.')[2]}": (-high, -low) for path, (low, high) in found.items()}
    return found


def _same_reference_counts(base: Results, new: Results) -> bool:
    """Whether both references gave the same labels, as far as counts can tell."""
    counts = [
        None if isinstance(one, UnsetType) or isinstance(one.samples, UnsetType) else one.samples
        for one in (base.reference, new.reference)
    ]
    if counts[0] is None or counts[1] is None:
        return False
    return all(getattr(counts[0], name) == getattr(counts[1], name) for name in ("truth", "steadiness", "flicker"))


def conditions_that_differ(base: Results, new: Results) -> list[str]:
    """What else differs between two measurements, a sentence each; nothing where they are alike."""
    return list(_differing(base, new))


def _change(path: Path, base: float, new: float, interval: Interval | None, more_is_better: bool) -> Change:
    return Change(".".join(path), base, new, interval, _verdict(new - base, interval, more_is_better))


def _latency_change(
    path: Path, base: float, new: float, interval: Interval | None, speed: SpeedChange | None
) -> Change:
    machine = 1.0 if speed is None else speed.machine
    if speed is not None and path[1] == "p50":
        if machine != 1.0:
            machine = (new / base) / (speed.new / speed.base)  # so that what is left is the adjusted change
        interval = None if speed.interval is None else _of_base(base, speed.interval)
    elif interval is not None and base > 0 and new > 0:
        low, high = (math.log(max(base + end, 1e-9) / base) for end in interval)
        middle, wider = math.log(new / base), _times_wider(path)
        unknown = 0.0 if speed is None else speed.unknown
        low, high = middle - (middle - low) * wider - unknown, middle + (high - middle) * wider + unknown
        interval = _of_base(base, (low - math.log(machine), high - math.log(machine)))
    change = Change(".".join(path), base, new, interval, "unknown", machine)
    return replace(change, verdict=_verdict(change.difference, interval, more_is_better=False))


def _times_wider(path: Path) -> float:
    return 1.0 if path[1] == "p50" else normal_quantile(TAIL_LEVEL) / normal_quantile(LEVEL)


def _of_base(base: float, log_ratio: Interval) -> Interval:
    """The interval of new − base from that of log(new / base)."""
    return base * math.expm1(log_ratio[0]), base * math.expm1(log_ratio[1])


def _verdict(difference: float, interval: Interval | None, more_is_better: bool) -> Verdict:
    if difference == 0:
        return "same"
    if interval is None:
        return "unknown"
    if interval[0] <= 0 <= interval[1]:
        return "noise"
    return "better" if (difference > 0) == more_is_better else "worse"


def _interval(path: Path, base: Results, new: Results, paired: Mapping[str, Interval]) -> Interval | None:
    text, before, after = ".".join(path), measured_figures(base)[path], measured_figures(new)[path]
    if path in _EXACT:
        return after - before, after - before
    if text in paired:
        return paired[text]
    if isinstance(base.intervals, UnsetType) or isinstance(new.intervals, UnsetType):
        return None
    if text not in base.intervals or text not in new.intervals:
        return None
    return difference_of(after, new.intervals[text], before, base.intervals[text])


def _flow(results: Results) -> str:
    if isinstance(results.temporal, UnsetType) or isinstance(results.temporal.flow, UnsetType):
        return ""
    return results.temporal.flow


def _differing(base: Results, new: Results) -> Iterator[str]:
    pairs = {
        "data": (_data(base), _data(new)),
        "optical flow": (_flow(base), _flow(new)),
        "engine": (str(base.bundle.target or ""), str(new.bundle.target or "")),
        "threads": (str(base.bundle.threads or ""), str(new.bundle.threads or "")),
        "processor": (str(base.device.get("cpu", "")), str(new.device.get("cpu", ""))),
    }
    for name, (before, after) in pairs.items():
        if before != after:
            yield f"{name} differs: {before or 'none'} before, {after or 'none'} now"
    speed = speed_change(base, new)
    if speed is None:
        if not isinstance(base.latency_ms, UnsetType) and not isinstance(new.latency_ms, UnsetType):
            yield (
                "nothing was timed along in both, so that a slower machine passes for a slower model: "
                "measure both in one run with etc-edge benchmark A B"
            )
    elif abs(speed.machine - 1) > ALIKE or speed.unknown > ALIKE / 2:
        beyond = f", and up to {speed.unknown:.0%} of what is left may be the machine" if speed.unknown > 0.005 else ""
        yield (
            f"against {speed.against}, the machine took ×{speed.machine:.2f} the time, which is taken out of the "
            f"changes of latency{beyond}: to tell smaller ones, measure both in one run with etc-edge benchmark A B"
        )


def _data(results: Results) -> str:
    if not isinstance(results.protocol, UnsetType):
        # How often its frames were timed is the protocol's matter, and differs from run to run.
        return results.data.name
    split = "" if isinstance(results.data.split, UnsetType) else f" {results.data.split}"
    return f"{results.data.name}{split}, {results.data.frames} frames"
