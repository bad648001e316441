"""Two results side by side: what changed, and whether the change is outside the noise."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from msgspec import UnsetType

from etc_edge.core.figure_paths import Path, measured_figures
from etc_edge.core.results import Results
from etc_edge.metrics.bootstrap import Interval, quantile_interval
from etc_edge.metrics.intervals import difference_intervals, same_frames
from etc_edge.metrics.samples import FrameSamples

Verdict = Literal["better", "worse", "noise", "same", "unknown"]

RELATIVE = "relative latency"
"""Latency as a multiple of the reference's on the same frame, median over frames."""

ALIKE = 0.05
"""Up to this share, the time of the same reference in two runs passes for that of one machine in one state."""

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
        verdict: whether it became better or worse beyond its noise, or the change may be noise; "unknown" without an
            interval.
    """

    figure: str
    base: float
    new: float
    interval: Interval | None
    verdict: Verdict

    @property
    def difference(self) -> float:
        """new − base."""
        return self.new - self.base


def changes(base: Results, new: Results) -> list[Change]:
    """Every figure that both results hold.

    Where both were measured on the same frames and kept their counts, intervals of accuracy and steadiness are paired:
    the same frames are drawn for both. Otherwise the two intervals are put together (see `difference_of`).
    """
    before, after = measured_figures(base), measured_figures(new)
    paired = paired_intervals(base, new)
    found = [
        _change(path, before[path], after[path], _interval(path, base, new, paired), more_is_better)
        for path, more_is_better in _FIGURES.items()
        if path in before and path in after
    ]
    against = _against_reference(base, new)
    return found if against is None else [*found, against]


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


def difference_of(new: float, new_interval: Interval, base: float, base_interval: Interval) -> Interval:
    """The interval of the difference of two independent figures from their own intervals.

    Distances to the ends are added in squares (Zou & Donner 2008, "Construction of confidence limits about effect
    measures", MOVER).
    """
    down = math.hypot(new - new_interval[0], base_interval[1] - base)
    up = math.hypot(new_interval[1] - new, base - base_interval[0])
    return new - base - down, new - base + up


def conditions_that_differ(base: Results, new: Results) -> list[str]:
    """What else differs between two measurements, a sentence each; nothing where they are alike."""
    return list(_differing(base, new))


def _change(path: Path, base: float, new: float, interval: Interval | None, more_is_better: bool) -> Change:
    return Change(".".join(path), base, new, interval, _verdict(new - base, interval, more_is_better))


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


def _against_reference(base: Results, new: Results) -> Change | None:
    """Latency as a multiple of the same reference's on the same frame, median: the load of the machine cancels."""
    if isinstance(base.reference, UnsetType) or isinstance(new.reference, UnsetType):
        return None
    if _engine(base.reference) != _engine(new.reference):
        return None
    ratios = [_frame_ratios(results) for results in (base, new)]
    if ratios[0] is None or ratios[1] is None:
        return None
    intervals = [quantile_interval(ratio, 0.5) for ratio in ratios if ratio is not None]
    before, after = (float(np.median(ratio)) for ratio in ratios if ratio is not None)
    interval = None
    if intervals[0] is not None and intervals[1] is not None:
        interval = difference_of(after, intervals[1], before, intervals[0])
    return _change((RELATIVE,), before, after, interval, more_is_better=False)


def _frame_ratios(results: Results) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]] | None:
    if isinstance(results.reference, UnsetType) or isinstance(results.reference.samples, UnsetType):
        return None
    if isinstance(results.samples, UnsetType):
        return None
    ours, theirs = FrameSamples.of(results.samples), FrameSamples.of(results.reference.samples)
    if len(ours.latency_ms) != len(theirs.latency_ms) or not theirs.latency_ms.all():
        return None
    return ours.latency_ms / theirs.latency_ms


def _engine(results: Results) -> tuple[object, ...]:
    return results.bundle.sha256, results.bundle.target, results.bundle.threads, results.device.get("cpu")


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
    slowed = _reference_slowed(base, new)
    if slowed is not None and abs(slowed - 1) > ALIKE:
        yield (
            f"the same reference took ×{slowed:.2f} the time, so the machine was not the same: "
            f"judge speed by {RELATIVE}, which is frame by frame against the reference"
        )


def _reference_slowed(base: Results, new: Results) -> float | None:
    """Median time of the reference now as a multiple of before, where it is the same one."""
    if isinstance(base.reference, UnsetType) or isinstance(new.reference, UnsetType):
        return None
    before, after = base.reference.latency_ms, new.reference.latency_ms
    if isinstance(before, UnsetType) or isinstance(after, UnsetType):
        return None
    return after.p50 / before.p50 if _engine(base.reference) == _engine(new.reference) else None


def _data(results: Results) -> str:
    split = "" if isinstance(results.data.split, UnsetType) else f" {results.data.split}"
    return f"{results.data.name}{split}, {results.data.frames} frames"
