"""The language of gates: what it decides, what it refuses, and that it never runs anything."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from etc_edge.core.errors import GateError
from etc_edge.core.gate import Gate
from etc_edge.core.results import Drop, Results
from tests.measured_results import fp32, measured

BEFORE = measured(reference=fp32())
NOW = msgspec.structs.replace(
    BEFORE, throughput_fps=50.0, drop=Drop(tc=0.25, miou=-0.5), intervals={"drop.tc": (0.125, 0.5)}
)


def fires(expression: str, results: Results = NOW, base: Results | None = BEFORE) -> bool:
    return Gate.parse(expression).decide(results, base).fired


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("drop.tc > 0.003", True),
        ("drop.tc > 0.25", False),
        ("drop.tc >= 0.25", True),
        ("drop.tc == 0.25 and drop.miou != 0", True),
        ("drop.tc < 0 or not drop.miou > 0", True),
        ("0.1 < drop.tc < 0.2", False),
        ("abs(drop.miou) == 0.5", True),
        ("max(drop.tc, drop.miou, 0) == drop.tc", True),
        ("min(1, 2) + 3 * -2 == -5", True),
        ("throughput_fps / 2 - 5 > 19", True),
        ("low(drop.tc) > 0.1 and high(drop.tc) == 0.5", True),
        ('accuracy.iou["traffic light"] == base.accuracy.iou["traffic light"]', True),
        ("latency_ms.p99 > 1.05 * base.latency_ms.p99", False),
        ("reference.latency_ms.p50 > latency_ms.p50", True),
        ("base.reference.accuracy.miou == reference.accuracy.miou", True),
        ("low(base.accuracy.miou) < accuracy.miou", True),
        ("high(reference.accuracy.miou) < accuracy.miou", False),
        ("  drop.tc > 0  ", True),
    ],
)
def test_conditions(expression: str, expected: bool) -> None:
    assert fires(expression) is expected


numbers = st.floats(-1e6, 1e6).map(lambda value: round(value, 3))


@given(numbers, numbers, numbers, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]))
def test_arithmetic_is_pythons(a: float, b: float, c: float, compare: str) -> None:
    text = f"({a} + {b}) * {c} - {b} / 4 {compare} max({a}, -{c})"
    assert fires(text) is bool(eval(text, {"max": max}))


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("drop.tcc > 0", "Found drop.tcc"),
        ("drop.tc > 0 or latency_ms.p98 > 1", "Found latency_ms.p98"),
        ("1 < 2 or low(drop.tv) > 0", "Found drop.tv"),
        ("drop > 0", "Found drop in"),
        ("base > 0", "Found base in"),
        ("base.drop.tcc > 0", "Found base.drop.tcc"),
        ("drop.tc", "expected a comparison"),
        ("1", "expected a comparison"),
        ("True", "expected a comparison"),
        ("True > 0", "expected a figure"),
        ("'a' > 'b'", "expected a figure"),
        ("drop.tc > (1 < 2)", "expected a figure"),
        ("2 ** 9 > 1", "expected one of"),
        ("7 % 2 > 0", "expected one of"),
        ("drop.tc in (1, 2)", "expected"),
        ("drop.tc is 1", "expected"),
        ("abs(1, 2) > 0", "expected one argument"),
        ("max(1) > 0", "expected two arguments"),
        ("max(1, key=2) > 0", "expected one of the functions"),
        ("max(*drop) > 0", "expected two arguments"),
        ("low(3) > 0", "expected a figure"),
        ("open('x') > 0", "expected one of the functions"),
        ("().__class__.__bases__ > 0", "expected a figure"),
        ("(lambda: 1)() > 0", "expected one of the functions"),
        ("[x for x in (1,)] > 0", "expected a figure"),
        ("(x := 1) > 0", "expected a figure"),
        ("accuracy.iou[0] > 0", "expected a figure"),
        ("drop.tc >", "invalid syntax"),
        ("", "Found the gate ''"),
        ("drop.tc > 0\0", "Found the gate"),
        ("drop.tc > 0; 1 > 0", "invalid syntax"),
        ("(" * 300 + "1" + ")" * 100, "Found the gate"),
        ("1 > 0 or " * 80 + "1 > 0", "characters, expected at most 500"),
        ("9" * 400 + " > 0", "of a size that can be measured"),
    ],
)
def test_what_is_no_gate(expression: str, found: str) -> None:
    with pytest.raises(GateError) as raised:
        Gate.parse(expression)
    assert found in raised.value.message
    assert raised.value.exit_code == 2


def test_a_wrong_name_suggests_the_nearest() -> None:
    with pytest.raises(GateError) as raised:
        Gate.parse("base.latency_ms.p98 > 1")
    assert raised.value.hint is not None
    assert "base.latency_ms.p9" in raised.value.hint
    with pytest.raises(GateError) as raised:
        fires("accuracy.iou.caar > 0")
    assert raised.value.hint == "Did you mean 'car'?"


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("temporal.vc16 > 0", "Found no measured temporal.vc16"),
        ("1 > 0 or peak_memory_bytes > 1", "Found no measured peak_memory_bytes"),
        ("low(latency_ms.p50) > 0", "Found no interval of latency_ms.p50"),
        ("1 / (drop.tc - 0.25) > 0", "division by zero"),
    ],
)
def test_what_cannot_be_decided(expression: str, found: str) -> None:
    with pytest.raises(GateError, match=found):
        fires(expression)


def test_a_base_that_is_not_there() -> None:
    gate = Gate.parse("drop.tc > base.drop.tc")
    assert gate.needs_base
    assert not Gate.parse("drop.tc > 0").needs_base
    with pytest.raises(GateError, match="without results to compare with"):
        gate.decide(NOW)
    with pytest.raises(GateError, match=r"Found no measured base\.drop\.tc"):
        gate.decide(NOW, msgspec.structs.replace(BEFORE, drop=UNSET))


def test_an_outcome_says_what_it_was_decided_on() -> None:
    outcome = Gate.parse("drop.tc > 0.1 or low(drop.tc) > 1").decide(NOW)
    assert outcome.figures == {"drop.tc": 0.25, "low(drop.tc)": 0.125}
    assert outcome.sentence() == "drop.tc > 0.1 or low(drop.tc) > 1: drop.tc is 0.25, low(drop.tc) is 0.125"
    assert Gate.parse("1 > 2").decide(NOW).sentence() == "1 > 2"


@given(st.text(max_size=60))
def test_any_text_is_decided_or_refused(text: str) -> None:
    try:
        outcome = Gate.parse(text).decide(NOW, BEFORE)
    except GateError:
        return
    assert isinstance(outcome.fired, bool)
    assert all(math.isfinite(value) for value in outcome.figures.values())
