"""Changes of two results: paired where they can be, put together where they cannot, and never claimed without cause."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from msgspec import UNSET

from etc_edge.core.results import Results
from etc_edge.metrics.comparison import (
    Change,
    changes,
    conditions_that_differ,
    paired_intervals,
)
from etc_edge.metrics.speed import RELATIVE, difference_of
from tests.measured_results import fp32, measured


def by_figure(base: Results, new: Results) -> dict[str, Change]:
    return {change.figure: change for change in changes(base, new)}


def test_the_same_results_did_not_change() -> None:
    results = measured(reference=fp32())
    assert {change.verdict for change in changes(results, results)} == {"same"}
    assert conditions_that_differ(results, results) == []


def test_a_real_change_is_told_from_noise() -> None:
    base = measured(wrong=0.20, seed=1)
    worse, again = measured(wrong=0.23, seed=2), measured(wrong=0.20, seed=3)
    found = by_figure(base, worse)["accuracy.miou"]
    assert found.verdict == "worse"
    assert found.interval is not None
    assert found.interval[0] < found.difference < found.interval[1] < 0
    assert by_figure(worse, base)["accuracy.miou"].verdict == "better"
    assert by_figure(base, again)["accuracy.miou"].verdict == "noise"


def test_a_slower_model_is_found_and_an_equal_one_is_not() -> None:
    slower = wrongly = 0
    for seed in range(20):
        base = measured(speed_ms=10, seed=seed)
        slower += by_figure(base, measured(speed_ms=10.8, seed=100 + seed))["latency_ms.p50"].verdict == "worse"
        wrongly += by_figure(base, measured(speed_ms=10, seed=100 + seed))["latency_ms.p50"].verdict != "noise"
    assert slower >= 18
    assert wrongly <= 2


def test_other_frames_are_not_paired() -> None:
    base, other = measured(seed=1), measured(seed=2, clips=(30, 31))
    assert paired_intervals(base, other) == {}
    assert paired_intervals(base, measured(seed=2)) != {}
    renamed = msgspec.structs.replace(base, data=msgspec.structs.replace(base.data, split="train"))
    assert paired_intervals(base, renamed) == {}
    # Then the interval is that of two independent ones, and so wider.
    alone = by_figure(base, other)["accuracy.miou"].interval
    paired = by_figure(base, measured(seed=2))["accuracy.miou"].interval
    assert alone is not None
    assert paired is not None
    assert alone[1] - alone[0] > paired[1] - paired[0]


def test_a_drop_against_the_same_reference_changes_as_the_model_does() -> None:
    base, new = measured(seed=1, reference=fp32()), measured(wrong=0.23, seed=2, reference=fp32(speed_ms=40))
    found = by_figure(base, new)
    drop, own = found["drop.miou"], found["accuracy.miou"]
    assert drop.verdict == own.verdict == "worse"
    assert drop.interval is not None
    assert own.interval is not None
    assert drop.interval == (-own.interval[1], -own.interval[0])
    other = by_figure(base, measured(wrong=0.23, seed=2, reference=fp32(wrong=0.1)))["drop.miou"].interval
    assert other is not None
    assert other[1] - other[0] > drop.interval[1] - drop.interval[0]


def test_nothing_is_claimed_without_intervals() -> None:
    base = msgspec.structs.replace(measured(seed=1), samples=UNSET, intervals=UNSET)
    new = msgspec.structs.replace(measured(wrong=0.5, speed_ms=99), samples=UNSET, intervals=UNSET)
    verdicts = {change.figure: change.verdict for change in changes(base, new)}
    assert verdicts["accuracy.miou"] == verdicts["latency_ms.p50"] == "unknown"
    assert verdicts["bundle.model_bytes"] == "same"


def test_sizes_are_exact() -> None:
    base = measured()
    larger = msgspec.structs.replace(base, bundle=msgspec.structs.replace(base.bundle, model_bytes=1001))
    assert by_figure(base, larger)["bundle.model_bytes"].verdict == "worse"


def test_a_busy_machine_is_not_taken_for_a_slower_model() -> None:
    base = measured(speed_ms=10, seed=1, reference=fp32(speed_ms=20))
    busy = measured(speed_ms=20, seed=2, reference=fp32(speed_ms=40))
    found = by_figure(base, busy)
    assert found["latency_ms.p50"].verdict == "noise", "the machine is taken out"
    assert found["latency_ms.p50"].machine == pytest.approx(2, rel=0.02)
    assert found[RELATIVE].verdict == "noise"
    assert found[RELATIVE].base == pytest.approx(0.5, rel=0.02)
    assert any("×1.9" in sentence or "×2.0" in sentence for sentence in conditions_that_differ(base, busy))
    slower = measured(speed_ms=24, seed=2, reference=fp32(speed_ms=40))
    assert by_figure(base, slower)[RELATIVE].verdict == "worse"


def test_what_else_differs_is_said() -> None:
    base = measured()
    other = msgspec.structs.replace(measured(clips=(30,)), device={"cpu": "another"})
    sentences = conditions_that_differ(base, other)
    assert "data differs: street val, 60 frames before, street val, 30 frames now" in sentences
    assert "processor differs: a processor before, another now" in sentences


def test_two_intervals_together_cover_their_difference() -> None:
    random, hits = np.random.default_rng(0), 0
    for _ in range(1000):
        new, base = random.normal(5, 1), random.normal(3, 2)
        low, high = difference_of(new, (new - 1.96, new + 1.96), base, (base - 3.92, base + 3.92))
        hits += low <= 2 <= high
    assert 930 <= hits <= 970
