"""The search for a budget, on hand-made evaluations: order, what is carried along, the lowest rung, the front."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etc_edge.core.errors import CalibrationError
from etc_edge.quantization.search import Attempt, Budget, Measured, Rung, Skipped, Step, pareto, search

BUDGET = Budget(miou=0.3, tc=0.2)


def measured(miou: float, tc: float, width: float = 0.0, int8_macs: float = 1.0) -> Measured:
    drops = {"miou": miou, "tc": tc}
    return Measured(drops=drops, upper={name: drop + width for name, drop in drops.items()}, int8_macs=int8_macs)


def evaluator(costs: dict[str, tuple[float, float]], seen: list[str]) -> Callable[[Rung[str]], Measured | Skipped]:
    def evaluate(rung: Rung[str]) -> Measured | Skipped:
        seen.append(rung.candidate)
        if rung.candidate not in costs:
            return Skipped("cannot be had")
        return measured(*costs[rung.candidate])

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
        return measured(0.0, max(0.0, float(needed - rung.candidate)), int8_macs=1 - rung.candidate / 100)

    found = search(Rung("0", 0), [Step("climb", rungs)], evaluate, Budget(tc=0.0))
    assert found.holds == (needed <= count)
    assert found.candidate == min(needed, count)
    assert len(found.attempts) <= 2 + 2 * count.bit_length()
    assert len({attempt.name for attempt in found.attempts}) == len(found.attempts)


def test_the_front_has_what_nothing_beats() -> None:
    points = [(1.0, 1.0, 1.0), (0.5, 2.0, 1.0), (1.0, 2.0, 0.9), (0.0, 0.0, 0.5), (1.0, 1.0, 1.0)]
    assert pareto([attempt(measured(*point[:2], int8_macs=point[2])) for point in points]) == [
        True, True, False, True, True,
    ]  # fmt: skip


def attempt(found: Measured, budget: Budget = BUDGET) -> Attempt:
    return Attempt(name="", measured=found, excess=budget.excess(found.upper), verdict=budget.verdict(found))


def test_the_end_of_the_interval_decides_and_not_the_drop() -> None:
    costs = {"r": measured(0.25, 0.15, 0.1), "ra": measured(0.28, 0.1, 0.01)}
    found = search(Rung("r", "r"), [adding("a")], lambda rung: costs[rung.candidate], BUDGET)
    assert [one.verdict for one in found.attempts] == ["unclear", "holds"]
    assert found.attempts[0].excess == pytest.approx(0.05 + 0.05)
    assert found.candidate == "ra"


def dear(letter: str) -> Step[str]:
    return Step(letter, lambda best: [Rung(letter, best + letter)], dear=True)


def test_what_is_dear_is_left_out_where_only_frames_are_wanting() -> None:
    # As wide as that, an attempt that lost nothing would be refused too.
    found = search(Rung("r", "r"), [dear("a"), adding("b")], lambda rung: measured(0.1, 0.0, 0.4), BUDGET)
    assert [name for name, _ in found.skipped] == ["a"]
    assert [one.verdict for one in found.attempts] == ["unclear", "unclear"]
    assert BUDGET.too_few_frames(found.attempt.measured) == ["miou", "tc"]
    # Four times the frames, half the width: 0.1 + 0.2 of 0.3, 0.0 + 0.2 of 0.2.
    assert BUDGET.frames_needed(found.attempt.measured, 80) == 320


@pytest.mark.parametrize("cost", [measured(0.31, 0.0, 0.4), measured(0.2, 0.1, 0.15)], ids=["loses", "could be better"])
def test_what_is_dear_is_tried_where_a_better_candidate_would_do(cost: Measured) -> None:
    found = search(Rung("r", "r"), [dear("a")], lambda rung: cost, BUDGET)
    assert [one.name for one in found.attempts] == ["r", "a"]


def test_no_number_of_frames_helps_where_a_budget_is_broken_held_or_exactly_spent() -> None:
    assert BUDGET.frames_needed(measured(0.31, 0.0, 0.1), 80) is None
    assert BUDGET.frames_needed(measured(0.1, 0.0, 0.1), 80) is None
    assert BUDGET.frames_needed(measured(0.3, 0.0, 0.1), 80) is None


@pytest.mark.parametrize("confidence", [0.0, 0.49, 1.0])
def test_a_confidence_is_at_least_that_of_the_drop_itself(confidence: float) -> None:
    with pytest.raises(CalibrationError, match="confidence"):
        Budget(miou=1.0, confidence=confidence)


POINTS = st.floats(-1, 5, allow_nan=False)
COSTS = st.lists(st.tuples(POINTS, st.floats(0, 1)), min_size=1, max_size=8)


@given(costs=COSTS, limits=st.tuples(POINTS, POINTS))
def test_a_wider_budget_never_tries_more(costs: list[tuple[float, float]], limits: tuple[float, float]) -> None:
    def tried(limit: float) -> list[str]:
        steps = [Step(str(number), lambda best, n=number: [Rung(str(n), n)]) for number in range(1, len(costs))]
        found = search(
            Rung("0", 0), steps, lambda rung: measured(0.0, *costs[rung.candidate]), Budget(tc=limit)
        )  # fmt: skip
        assert found.holds == any(drop + width <= limit for drop, width in costs)
        assert found.attempt.excess == min(one.excess for one in found.attempts)
        return [one.name for one in found.attempts]

    narrow, wide = (tried(limit) for limit in sorted(limits))
    assert wide == narrow[: len(wide)]


@given(costs=st.lists(st.tuples(POINTS, POINTS, st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=8))
def test_what_holds_is_on_the_front_and_what_is_chosen_breaks_least(
    costs: list[tuple[float, float, float, float]],
) -> None:
    steps = [Step(str(number), lambda best, n=number: [Rung(str(n), n)]) for number in range(1, len(costs))]
    found = search(Rung("0", 0), steps, lambda rung: measured(*costs[rung.candidate]), BUDGET)
    assert found.attempt.excess == min(one.excess for one in found.attempts)
    if found.holds:
        assert pareto(found.attempts)[found.attempts.index(found.attempt)]
