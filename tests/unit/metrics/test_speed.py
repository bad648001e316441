"""Speed of two results: turn by turn in one run, against the yardstick in two, in doubt where the machine changed."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from msgspec import UNSET

from etc_edge.core.results import Data, Model, Protocol, Results, Yardstick
from etc_edge.metrics.comparison import Change, changes, conditions_that_differ
from etc_edge.metrics.intervals import figure_intervals
from etc_edge.metrics.latency import latency
from etc_edge.metrics.samples import FrameSamples, SampleRecorder
from etc_edge.metrics.speed import CORES_SHARE, RELATIVE, speed_change


def timed(
    seed: int, speed_ms: float = 20.0, machine: float = 1.0, cores: float = 1.5, run: str = "", load_seed: int = -1
) -> Results:
    """Ten rounds of thirty turns under a load that drifts and hits model and yardstick alike."""
    load, own = np.random.default_rng(seed if load_seed < 0 else load_seed), np.random.default_rng(1000 + seed)
    recorder, ours, theirs = SampleRecorder(()), [], []
    state = 0.0
    for number in range(10):
        recorder.begin_clip(f"round {number}")
        for _ in range(30):
            state = 0.95 * state + load.normal(0, 0.05)
            slow = machine * math.exp(state)
            ours.append(speed_ms * slow * own.lognormal(0, 0.05))
            theirs.append(10 * slow * own.lognormal(0, 0.05))
            recorder.add_timing(ours[-1], theirs[-1])
    samples = recorder.samples()
    return Results(
        bundle=Model(name="net", sha256="net", precision="int8", model_bytes=1, target="openvino", threads=2),
        data=Data(name="frames", frames=300),
        device={"cpu": "a processor"},
        versions={},
        latency_ms=latency(ours),
        intervals=figure_intervals(FrameSamples.of(samples)) or UNSET,
        samples=samples,
        yardstick=Yardstick(
            name="street",
            sha256="street",
            engine="openvino 1, 2 threads",
            latency_ms=latency(theirs),
            cores=cores,
            relative=float(np.median(np.array(ours) / np.array(theirs))),
        ),
        protocol=Protocol(
            run=run or str(seed), warm_up=3, rounds=10, frames=30, interleaved=2, precision={}, asked={}, reached=True
        ),
    )


def by_figure(base: Results, new: Results) -> dict[str, Change]:
    return {change.figure: change for change in changes(base, new)}


def test_a_drifting_load_is_no_change_and_a_slow_down_is_one() -> None:
    wrongly = found = 0
    for seed in range(20):
        base, again, slower = timed(seed), timed(100 + seed), timed(100 + seed, speed_ms=21.0)
        wrongly += any(change.verdict in ("better", "worse") for change in changes(base, again))
        found += by_figure(base, slower)[RELATIVE].verdict == "worse"
    assert wrongly <= 1
    assert found >= 18


def test_in_one_run_nothing_of_the_machine_is_left() -> None:
    base = timed(1, run="one", load_seed=7)
    again, slower = timed(2, run="one", load_seed=7), timed(2, 20.6, run="one", load_seed=7)
    change = speed_change(base, slower)
    assert change is not None
    assert (change.base, change.machine, change.unknown) == (1.0, 1.0, 0.0)
    assert change.new == pytest.approx(1.03, rel=0.01)
    assert by_figure(base, slower)["latency_ms.p50"].verdict == "worse", "three per cent"
    assert by_figure(base, again)["latency_ms.p50"].verdict == "noise"


def test_a_slower_machine_is_taken_out_with_some_doubt() -> None:
    base, slower = timed(1), timed(2, machine=1.3)
    change = speed_change(base, slower)
    assert change is not None
    assert change.machine == pytest.approx(1.3, rel=0.2)
    assert 0 < change.unknown < 0.1
    assert by_figure(base, slower)["latency_ms.p50"].verdict == "noise"
    assert by_figure(base, timed(2, 30.0, machine=1.3))["latency_ms.p50"].verdict == "worse"
    (sentence,) = conditions_that_differ(base, slower)
    assert "against the yardstick street on openvino 1, 2 threads, the machine took ×1." in sentence


def test_another_share_of_the_cores_leaves_more_doubt() -> None:
    base, alone = timed(1), timed(2, 21.5, cores=1.0)
    change = speed_change(base, alone)
    assert change is not None
    assert change.unknown > CORES_SHARE * math.log(1.4)
    assert by_figure(base, alone)[RELATIVE].verdict == "noise"
    assert by_figure(base, timed(2, 21.5))[RELATIVE].verdict == "worse"


def test_runs_of_other_lengths_are_of_the_same_data() -> None:
    base = timed(1)
    longer = msgspec.structs.replace(timed(2), data=Data(name="frames", frames=400))
    other = msgspec.structs.replace(timed(2), data=Data(name="others", frames=300))
    assert not any(sentence.startswith("data") for sentence in conditions_that_differ(base, longer))
    assert "data differs: frames before, others now" in conditions_that_differ(base, other)


def test_other_yardsticks_say_nothing() -> None:
    base, new = timed(1), timed(2)
    assert not isinstance(new.yardstick, type(UNSET))
    other = msgspec.structs.replace(new, yardstick=msgspec.structs.replace(new.yardstick, engine="openvino 2"))
    assert speed_change(base, other) is None
    assert speed_change(base, msgspec.structs.replace(new, yardstick=UNSET)) is None
    assert any("nothing was timed along" in sentence for sentence in conditions_that_differ(base, other))
