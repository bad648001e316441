"""Networks side by side: figures on labelled clips, then times in turns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan
from statistics import median
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from etc_edge.benchmark.protocol import pair_ratio
from etc_edge.core.progress import Progress
from etc_edge.data.dataset import Dataset
from measuring.contender import Contender, times_ms
from measuring.figures import Figures, figures_of
from measuring.record import Table

STEADY = ("tc", "flicker", "agreement")

FIGURES = {"mIoU": 1, "tc": 1, "flicker": -1, "agreement": 1}
"""What networks are compared by; −1 where less is better."""

UInt8 = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Measured:
    """One contender and what was measured of it: figures, and milliseconds by round."""

    contender: Contender
    figures: Figures
    times_ms: list[float]

    @property
    def median_ms(self) -> float:
        """Milliseconds of one frame."""
        return median(self.times_ms)

    def behind(self, other: Measured, figure: str) -> float:
        """How far this one is behind another in one of FIGURES, as a fraction; below 0 where it is ahead.

        No number where a figure was not measured.
        """
        mine, its = ({"mIoU": one.figures.accuracy.miou, **one.figures.temporal} for one in (self, other))
        return float(FIGURES[figure] * (its.get(figure, nan) - mine.get(figure, nan)))

    def miou_drop(self, reference: Measured) -> float:
        """mIoU of a reference minus this one's, as a fraction."""
        return reference.figures.accuracy.miou - self.figures.accuracy.miou

    def tc_drop(self, reference: Measured) -> float:
        """tc of a reference minus this one's, as a fraction; no number where there were no neighbouring frames."""
        mine, other = self.figures.temporal, reference.figures.temporal
        return float(other.get("tc", nan) - mine.get("tc", nan))


def compare(
    contenders: Sequence[Contender],
    dataset: Dataset,
    split: str,
    timed_frames: Sequence[UInt8],
    frames: int | None,
    rounds: int,
    progress: Progress,
) -> list[Measured]:
    """Measure all contenders; the first is the reference of `agreement`.

    Args:
        contenders: two or more.
        dataset: labelled clips.
        split: one of its splits.
        timed_frames: frames of the networks' size to time on.
        frames: how many to evaluate on; None takes the split.
        rounds: of timing.
        progress: told what goes on.
    """
    figures = figures_of(contenders, dataset, split, frames, progress)
    times = times_ms(contenders, timed_frames, rounds, progress)
    return [Measured(*of_one) for of_one in zip(contenders, figures, times, strict=True)]


def ratio(measured: Measured, base: Measured) -> float:
    """Time of one as a multiple of another's, round by round."""
    return pair_ratio(measured.times_ms, base.times_ms)


def faster(measured: Sequence[Measured]) -> Measured:
    """The one with the lowest median."""
    return min(measured, key=lambda one: one.median_ms)


def entries(measured: Sequence[Measured], seconds: Mapping[str, float]) -> list[dict[str, Any]]:
    """Plain data for the record; `seconds` is what quantizing took, by maker."""
    reference = measured[0]
    found = []
    for one in measured:
        contender = one.contender
        entry: dict[str, Any] = {
            "name": contender.name,
            "maker": contender.maker,
            "backend": contender.backend,
            "precision": contender.precision,
            "model_bytes": contender.model_bytes,
            "accuracy": msgspec.to_builtins(one.figures.accuracy),
            "temporal": one.figures.temporal,
            "median_ms": one.median_ms,
            "times_ms": [round(value, 3) for value in one.times_ms],
            "drop": {"miou": one.miou_drop(reference)},
        }
        mine, theirs = one.figures.temporal, reference.figures.temporal
        entry["drop"] |= {name: theirs[name] - mine[name] for name in ("tc", "tc_etc", "flicker") if name in mine}
        if contender.precision == "int8" and contender.maker in seconds:
            entry["quantize_s"] = round(seconds[contender.maker], 2)
        found.append(entry)
    return found


def table(measured: Sequence[Measured], base: Measured, seconds: Mapping[str, float]) -> Table:
    """A row each; times are also given as a multiple of `base`'s."""
    columns = ["network · engine", "mIoU %", *(f"{name} %" for name in STEADY), "ms", "× FP32", "MB", "quantize s"]
    rows = []
    for one in measured:
        contender, temporal = one.contender, one.figures.temporal
        steady = [f"{100 * temporal[name]:.2f}" if name in temporal else "" for name in STEADY]
        taken = seconds.get(contender.maker) if contender.precision == "int8" else None
        rows.append(
            [
                contender.name,
                f"{100 * one.figures.accuracy.miou:.2f}",
                *steady,
                f"{one.median_ms:.1f}",
                f"{ratio(one, base):.3f}",
                f"{contender.model_bytes / 1e6:.2f}",
                "" if taken is None else f"{taken:.0f}",
            ]
        )
    return Table(columns, rows)
