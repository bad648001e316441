"""Contenders take turns, warm-up is thrown away, and pairs cancel a slow spell."""

from __future__ import annotations

import time
from functools import partial

import pytest

from etc_edge.benchmark.protocol import alternate, pair_ratio
from etc_edge.core.errors import EtcEdgeError


def test_turns_and_warm_up() -> None:
    calls: list[tuple[str, int]] = []

    def contender(name: str, number: int) -> str:
        calls.append((name, number))
        return f"{name}{number}"

    kept = alternate([partial(contender, "a"), partial(contender, "b")], rounds=2, warm_up=1, settle_s=0)
    # A call that counts comes after one of the same contender that does not.
    counted = [("a", 0), ("a", 0), ("b", 0), ("b", 0), ("a", 1), ("a", 1), ("b", 1), ("b", 1)]
    assert calls == [("a", -1), ("b", -1), *counted]
    assert kept == [["a0", "a1"], ["b0", "b1"]]


def test_a_single_contender_has_nobody_to_wait_for() -> None:
    calls: list[int] = []
    alternate([calls.append], rounds=2, warm_up=1)
    assert calls == [-1, 0, 1]


def test_every_contender_is_let_alone_before_it_is_timed() -> None:
    ends: list[float] = []
    begins: list[float] = []

    def contender(number: int) -> None:
        begins.append(time.perf_counter())
        ends.append(time.perf_counter())

    alternate([contender, contender], rounds=2, warm_up=0, settle_s=0.01)
    pauses = [begin - end for begin, end in zip(begins[1:], ends, strict=False)]
    assert min(pauses[1::2]) >= 0.01


def test_no_rounds_are_refused() -> None:
    with pytest.raises(EtcEdgeError, match="Found 0 frames"):
        alternate([lambda number: number], rounds=0, warm_up=1)


def test_a_slow_spell_does_not_change_the_ratio() -> None:
    spell = [1, 1, 1, 5, 5, 5, 5]
    base = [10.0 * factor for factor in spell]
    times = [7.0 * factor for factor in spell]
    assert pair_ratio(times, base) == pytest.approx(0.7)
    assert pair_ratio(base, base) == 1
