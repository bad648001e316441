"""Latency adjusted for a covariate: laws that it keeps, and runs made by chance in which the truth is known."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etc_edge.metrics.adjustment import Adjusted, Response, Turns, adjusted_change

USUAL = Response(0.75, 0.2)


def run(
    seed: int, slower: float = 1.0, clock: float = 1.0, response: float = 0.6, busy: float = 0.3, noise: float = 0.04
) -> Turns:
    """Ten rounds of 22 turns. Bursts that last some rounds make the covariate 1.6 times as slow, the latency less."""
    random = np.random.default_rng(seed)
    state, latencies, covariates = 0.0, [], []
    for _ in range(10):
        if random.random() < 0.5:
            state = math.log(1.6) * (random.random() < busy)
        lost = state * random.uniform(0.9, 1.1) + math.log(clock)
        latencies.append(10 * slower * np.exp(response * lost + random.normal(0, noise, 22)))
        covariates.append(6 * np.exp(lost + random.normal(0, noise, 22)))
    return Turns(latencies, covariates)


def spells(seed: int, slower: float = 1.0) -> Turns:
    """Ten rounds of 28 turns. Half of the time a neighbour is there, a few turns long, and hits the two as it likes."""
    random = np.random.default_rng(seed)
    there, hits, lost = False, np.zeros(2), np.empty((280, 2))
    for turn in range(280):
        if random.random() < 0.2:
            there, hits = not there, random.uniform(0.1, 0.5, 2)
        lost[turn] = there * hits + random.normal(0, 0.02, 2)
    times = np.exp(lost) * (10 * slower, 6)
    return Turns(np.split(times[:, 0], 10), np.split(times[:, 1], 10))


def five_per_cent_is_told(timed: Callable[[int, float], Turns]) -> None:
    """Of 200 pairs of runs, made from a seed and how much slower the model is."""
    wrongly = found = 0
    for seed in range(200):
        base, same, slower = timed(seed, 1.0), timed(7000 + seed, 1.0), timed(7000 + seed, 1.05)
        change = adjusted_change(base, same, USUAL)
        wrongly += abs(change.change) > change.half_width
        change = adjusted_change(base, slower, USUAL)
        found += change.change - change.half_width > 0
    assert wrongly <= 20
    assert found >= 180


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), factor=st.floats(0.5, 2.0), unit=st.floats(0.1, 10.0))
def test_a_factor_comes_back_exactly_and_units_do_not_matter(seed: int, factor: float, unit: float) -> None:
    base, new = run(seed), run(seed + 5000)
    plain = adjusted_change(base, new, USUAL)
    slower = Turns([factor * one for one in new.latencies], new.covariates)
    assert adjusted_change(base, slower, USUAL).change == pytest.approx(plain.change + math.log(factor), abs=1e-6)
    in_unit = [Turns([unit * one for one in of.latencies], [unit * one for one in of.covariates]) for of in (base, new)]
    found = adjusted_change(*in_unit, USUAL)
    assert (found.change, found.half_width) == pytest.approx((plain.change, plain.half_width), abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000))
def test_the_other_way_round_is_the_negative(seed: int) -> None:
    base, new = run(seed), run(seed + 5000, slower=1.1)
    there, back = adjusted_change(base, new, USUAL), adjusted_change(new, base, USUAL)
    assert (there.change, there.machine) == pytest.approx((-back.change, -back.machine), abs=1e-9)
    assert (there.half_width, there.unknown) == pytest.approx((back.half_width, back.unknown))


@pytest.mark.parametrize("response", [0.3, 0.6, 1.0])
def test_bursts_are_told_from_a_slower_model(response: float) -> None:
    five_per_cent_is_told(lambda seed, slower: run(seed, slower=slower, response=response))


def test_spells_that_hit_each_network_differently_leave_fast_calls_as_they_are() -> None:
    five_per_cent_is_told(spells)


def test_a_clock_that_no_run_saw_change_leaves_doubt() -> None:
    """Within a quiet run the covariate's noise says nothing of the response: the slope there is near 0."""
    wrongly = found = 0
    for seed in range(50):
        base = run(seed, busy=0, noise=0.01)
        slow = adjusted_change(base, run(3000 + seed, busy=0, noise=0.01, clock=1.3, response=1.0), USUAL)
        wrongly += abs(slow.change) > slow.half_width
        assert slow.unknown == pytest.approx(1.96 * 0.2 * math.log(1.3), rel=0.25)
        model = adjusted_change(base, run(3000 + seed, slower=1.3, busy=0, noise=0.01), USUAL)
        found += model.change - model.half_width > 0.2
    assert wrongly <= 3
    assert found == 50


def test_runs_that_are_the_same_to_the_last_bit_did_not_change() -> None:
    still = Turns([np.full(8, 10.0)] * 5, [np.full(8, 5.0)] * 5)
    assert adjusted_change(still, still, USUAL) == Adjusted(0.0, 0.0, 0.0, 0.0)
