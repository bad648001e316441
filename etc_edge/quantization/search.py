"""The search for the cheapest change that brings an INT8 network within its budget of accuracy and steadiness.

What a candidate is and how it is measured comes from outside; here is only the order in which candidates are tried.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")


@dataclass(frozen=True)
class Budget:
    """What INT8 may cost at most, in points of a hundred; None where a figure is not bounded."""

    miou: float | None = None
    tc: float | None = None

    def limits(self) -> dict[str, float]:
        """The figures that are bounded."""
        both = {"miou": self.miou, "tc": self.tc}
        return {name: limit for name, limit in both.items() if limit is not None}

    def excess(self, drops: Mapping[str, float]) -> float:
        """Points lost beyond the budget, of all figures together; 0 where it holds.

        Raises:
            KeyError: a bounded figure was not measured.
        """
        return sum(max(0.0, drops[name] - limit) for name, limit in self.limits().items())


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What a candidate costs: points lost by name of the figure, and its share of the multiply-adds in INT8."""

    drops: dict[str, float]
    int8_macs: float


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
    """

    name: str
    rungs: Callable[[T], Sequence[Rung[T]] | Skipped]


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate that was measured; `excess` is what it loses beyond the budget, in points."""

    name: str
    measured: Measured
    excess: float

    @property
    def holds(self) -> bool:
        """Whether it is within the budget."""
        return self.excess == 0.0


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

    A step starts from the candidate that breaks the budget least so far, so that a change which does harm is not
    carried along. Of a step with several rungs the lowest that holds is looked for: 1, 2, 4, … rungs up, then by
    halves between the last that broke the budget and the first that held it.

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
        rungs = step.rungs(tried.best.candidate)
        if isinstance(rungs, Skipped):
            tried.skipped.append((step.name, rungs.reason))
        elif _climb(rungs, tried):
            break
    return tried.found()


def pareto(attempts: Sequence[Attempt]) -> list[bool]:
    """For each attempt whether none is better in one respect (a bounded figure, INT8's share) and as good in all."""
    values = [(*(-drop for _, drop in sorted(a.measured.drops.items())), a.measured.int8_macs) for a in attempts]
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

    @property
    def best(self) -> Rung[T]:
        return self.found_first()[0]

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
        attempt = Attempt(name=rung.name, measured=measured, excess=self.budget.excess(measured.drops))
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
