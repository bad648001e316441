"""The search for the cheapest change that brings an INT8 network within its budget of accuracy and steadiness.

What a candidate is and how it is measured comes from outside; here is only the order in which candidates are tried.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

import msgspec

from etc_edge.core.errors import CalibrationError

T = TypeVar("T")

Verdict = Literal["holds", "unclear", "broken"]
"""Within the budget for certain; within it as far as was seen, not for certain; not within it."""


CONFIDENCE = 0.95
POINT_ESTIMATE = 0.5


@dataclass(frozen=True)
class Budget:
    """What INT8 may cost at most, in points of a hundred.

    Args:
        miou, tc: the limits; None where a figure is not bounded.
        confidence: how sure it has to be that a drop is no larger: the one-sided confidence of the end that is held
            against the limit, from POINT_ESTIMATE, which takes the drop as it was measured, to below 1.
    """

    miou: float | None = None
    tc: float | None = None
    confidence: float = CONFIDENCE

    def __post_init__(self) -> None:
        if not POINT_ESTIMATE <= self.confidence < 1:
            raise CalibrationError(
                f"Found a confidence of {self.confidence:g}, expected at least {POINT_ESTIMATE} and less than 1.",
                f"{POINT_ESTIMATE} decides by the drop as it was measured, {CONFIDENCE} by an upper end that is sure.",
            )

    @property
    def by_interval(self) -> bool:
        """Whether ends of intervals decide."""
        return self.confidence > POINT_ESTIMATE

    def limits(self) -> dict[str, float]:
        """The figures that are bounded."""
        both = {"miou": self.miou, "tc": self.tc}
        return {name: limit for name, limit in both.items() if limit is not None}

    def excess(self, drops: Mapping[str, float]) -> float:
        """Points beyond the budget, of all figures together; 0 where it holds.

        Raises:
            KeyError: a bounded figure was not measured.
        """
        return sum(max(0.0, drops[name] - limit) for name, limit in self.limits().items())

    def verdict(self, measured: Measured) -> Verdict:
        """Whether what was measured is within the budget."""
        if self.excess(measured.upper) == 0:
            return "holds"
        return "unclear" if self.excess(measured.drops) == 0 else "broken"

    def too_few_frames(self, measured: Measured) -> list[str]:
        """Figures that decide against a candidate for the width of their interval alone.

        The candidate is within the budget as far as was seen, and one that was seen to lose nothing with an interval
        of this width would be refused too: it takes more frames, not a better candidate. Empty where it does not.
        """
        if self.verdict(measured) != "unclear":
            return []
        drops, upper = measured.drops, measured.upper
        return [
            name for name, limit in self.limits().items() if upper[name] > limit and upper[name] - drops[name] > limit
        ]

    def frames_needed(self, measured: Measured, frames: int) -> int | None:
        """About how many frames would make it clear that a candidate holds, if its drops stayed as they are.

        The width of an interval falls with the root of their number.

        Args:
            measured: on so many frames.
            frames: how many those were.

        Returns:
            None where the candidate is not unclear, or a drop lies on its limit.
        """
        if self.verdict(measured) != "unclear":
            return None
        times = 1.0
        for name, limit in self.limits().items():
            room, width = limit - measured.drops[name], measured.upper[name] - measured.drops[name]
            if width > room:
                if room <= 0:
                    return None
                times = max(times, (width / room) ** 2)
        return math.ceil(round(frames * times, 6))


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What a candidate costs.

    Args:
        drops: points lost, by name of the figure.
        upper: how many it may be, at the budget's confidence; none below its drop. Of figures that are bounded, and of
            others where there are frames enough to say.
        int8_macs: its share of the multiply-adds in INT8.
        seconds: how long it took to make and to measure it; None where nobody looked.
    """

    drops: dict[str, float]
    upper: dict[str, float]
    int8_macs: float
    seconds: float | None = None


@dataclass(frozen=True)
class Skipped:
    """Why something is not tried."""

    reason: str


@dataclass(frozen=True)
class Rung(Generic[T]):
    """A candidate and what it is called."""

    name: str
    candidate: T


@dataclass(frozen=True)
class Step(Generic[T]):
    """A kind of change.

    Args:
        name: what it is called.
        rungs: from the best candidate so far to the candidates of this step, those that give up least first.
        dear: whether it is left out where more frames are needed and not a better candidate.
    """

    name: str
    rungs: Callable[[T], Sequence[Rung[T]] | Skipped]
    dear: bool = False


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate that was measured; `excess` is what it may lose beyond the budget, in points."""

    name: str
    measured: Measured
    excess: float
    verdict: Verdict

    @property
    def holds(self) -> bool:
        """Whether it is within the budget for certain."""
        return self.verdict == "holds"


@dataclass(frozen=True)
class Found(Generic[T]):
    """What a search came to.

    Args:
        candidate: the first that holds the budget, else the one that breaks it least.
        attempt: what was measured of it.
        attempts: all that was measured, in the order of trying.
        skipped: what was not tried and why.
    """

    candidate: T
    attempt: Attempt
    attempts: tuple[Attempt, ...]
    skipped: tuple[tuple[str, str], ...]

    @property
    def holds(self) -> bool:
        """Whether the budget holds."""
        return self.attempt.holds


def search(
    start: Rung[T], steps: Sequence[Step[T]], evaluate: Callable[[Rung[T]], Measured | Skipped], budget: Budget
) -> Found[T]:
    """Try a candidate, then the steps in turn, until one holds the budget.

    What is held against the budget is how much a candidate may lose at the confidence asked for. A step starts from
    the candidate that breaks the budget least so far, so that a change which does harm is not carried along; a dear
    step is left out while that candidate is refused for want of frames alone (`Budget.too_few_frames`). Of a step with
    several rungs the lowest that holds is looked for: 1, 2, 4, … rungs up, then by halves between the last that broke
    the budget and the first that held it.

    Args:
        start: the cheapest candidate, which must be measurable.
        steps: the cheapest first.
        evaluate: measures a candidate, or says why it cannot be had.
        budget: what is allowed.
    """
    tried = _Tried(evaluate, budget)
    if tried.holds(start):
        return tried.found()
    for step in steps:
        rung, attempt = tried.found_first()
        if step.dear and budget.too_few_frames(attempt.measured):
            tried.skipped.append((step.name, "too few frames to tell; it is not known to be needed"))
            continue
        rungs = step.rungs(rung.candidate)
        if isinstance(rungs, Skipped):
            tried.skipped.append((step.name, rungs.reason))
        elif _climb(rungs, tried):
            break
    return tried.found()


def pareto(attempts: Sequence[Attempt]) -> list[bool]:
    """For each attempt whether none is better in one respect (what it may lose, INT8's share) and as good in all."""
    values = [(*(-most for _, most in sorted(a.measured.upper.items())), a.measured.int8_macs) for a in attempts]
    return [
        not any(other != own and all(x >= y for x, y in zip(other, own, strict=True)) for other in values)
        for own in values
    ]


@dataclass
class _Tried(Generic[T]):
    evaluate: Callable[[Rung[T]], Measured | Skipped]
    budget: Budget
    attempts: list[Attempt] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    chosen: tuple[Rung[T], Attempt] | None = None

    def found_first(self) -> tuple[Rung[T], Attempt]:
        if self.chosen is None:
            raise ValueError(f"Found nothing that can be measured: {self.skipped}.")
        return self.chosen

    def holds(self, rung: Rung[T]) -> bool:
        """Measure a rung; the last that holds is chosen, for rungs are only ever lowered after one did."""
        measured = self.evaluate(rung)
        if isinstance(measured, Skipped):
            self.skipped.append((rung.name, measured.reason))
            return False
        attempt = Attempt(
            name=rung.name,
            measured=measured,
            excess=self.budget.excess(measured.upper),
            verdict=self.budget.verdict(measured),
        )
        self.attempts.append(attempt)
        if self.chosen is None or attempt.holds or attempt.excess < self.chosen[1].excess:
            self.chosen = (rung, attempt)
        return attempt.holds

    def found(self) -> Found[T]:
        rung, attempt = self.found_first()
        return Found(rung.candidate, attempt, tuple(self.attempts), tuple(self.skipped))


def _climb(rungs: Sequence[Rung[T]], tried: _Tried[T]) -> bool:
    broken, at, stride = -1, 0, 1
    while at < len(rungs) and not tried.holds(rungs[at]):
        broken = at
        if at == len(rungs) - 1:
            return False
        at, stride = min(at + stride, len(rungs) - 1), 2 * stride
    if at >= len(rungs):
        return False
    while at - broken > 1:
        middle = (at + broken) // 2
        if tried.holds(rungs[middle]):
            at = middle
        else:
            broken = middle
    return True
