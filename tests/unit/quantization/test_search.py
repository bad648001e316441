"""The search for a budget, on hand-made evaluations: order, what is carried along, the lowest rung, the front."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etc_edge.quantization.search import Attempt, Budget, Measured, Rung, Skipped, Step, pareto, search

BUDGET = Budget(miou=0.3, tc=0.2)


def evaluator(costs: dict[str, tuple[float, float]], seen: list[str]) -> Callable[[Rung[str]], Measured | Skipped]:
    def evaluate(rung: Rung[str]) -> Measured | Skipped:
        seen.append(rung.candidate)
        if rung.candidate not in costs:
            return Skipped("cannot be had")
        miou, tc = costs[rung.candidate]
        return Measured(drops={"miou": miou, "tc": tc}, int8_macs=1.0)

    return evaluate


def adding(letter: str) -> Step[str]:
    return Step(letter, lambda best: [Rung(letter, best + letter)])


def test_a_recipe_that_holds_is_all_that_is_tried() -> None:
    seen: list[str] = []
    found = search(Rung("r", "r"), [adding("a")], evaluator({"r": (0.3, 0.2)}, seen), BUDGET)
    assert (found.candidate, found.holds, seen) == ("r", True, ["r"])


def test_the_first_that_holds_both_budgets_ends_it() -> None:
    seen: list[str] = []
    costs = {"r": (2.0, 2.0), "ra": (0.1, 1.0), "rab": (0.2, 0.1)}
    found = search(Rung("r", "r"), [adding("a"), adding("b"), adding("c")], evaluator(costs, seen), BUDGET)
    assert (found.candidate, found.holds, seen) == ("rab", True, ["r", "ra", "rab"])
    assert [attempt.holds for attempt in found.attempts] == [False, False, True]


def test_a_change_that_does_harm_is_not_carried_along() -> None:
    seen: list[str] = []
    costs = {"r": (1.0, 1.0), "ra": (3.0, 0.0), "rb": (0.9, 0.3), "rbc": (0.9, 0.3)}
    found = search(Rung("r", "r"), [adding("a"), adding("b"), adding("c")], evaluator(costs, seen), BUDGET)
    assert seen == ["r", "ra", "rb", "rbc"]
    assert (found.candidate, found.holds) == ("rb", False)
    assert found.attempt.excess == pytest.approx(0.6 + 0.1)


def test_what_cannot_be_had_is_told_and_passed_over() -> None:
    costs = {"r": (1.0, 1.0), "rc": (0.0, 0.0)}
    steps: list[Step[str]] = [Step("a", lambda best: Skipped("needs an extra")), adding("b"), adding("c")]
    found = search(Rung("r", "r"), steps, evaluator(costs, []), BUDGET)
    assert found.skipped == (("a", "needs an extra"), ("b", "cannot be had"))
    assert found.holds


def test_a_figure_without_a_limit_costs_nothing() -> None:
    found = search(Rung("r", "r"), [], evaluator({"r": (9.0, 0.1)}, []), Budget(tc=0.2))
    assert found.holds


@given(count=st.integers(1, 70), needed=st.integers(0, 75))
def test_the_lowest_rung_that_holds_is_found_in_few_attempts(count: int, needed: int) -> None:
    def rungs(best: int) -> Sequence[Rung[int]]:
        return [Rung(str(number), number) for number in range(1, count + 1)]

    def evaluate(rung: Rung[int]) -> Measured:
        return Measured(drops={"tc": max(0.0, float(needed - rung.candidate))}, int8_macs=1 - rung.candidate / 100)

    found = search(Rung("0", 0), [Step("climb", rungs)], evaluate, Budget(tc=0.0))
    assert found.holds == (needed <= count)
    assert found.candidate == min(needed, count)
    assert len(found.attempts) <= 2 + 2 * count.bit_length()
    assert len({attempt.name for attempt in found.attempts}) == len(found.attempts)


def test_the_front_has_what_nothing_beats() -> None:
    points = [(1.0, 1.0, 1.0), (0.5, 2.0, 1.0), (1.0, 2.0, 0.9), (0.0, 0.0, 0.5), (1.0, 1.0, 1.0)]
    attempts = [
        Attempt(name="", measured=Measured(drops={"miou": miou, "tc": tc}, int8_macs=share), excess=0.0)
        for miou, tc, share in points
    ]
    assert pareto(attempts) == [True, True, False, True, True]
