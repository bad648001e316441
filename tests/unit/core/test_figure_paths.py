"""Paths of figures: those that results can hold, and those that they do."""

from __future__ import annotations

import msgspec
import pytest

from etc_edge.core.figure_paths import is_known, measured_figures, path_text
from tests.measured_results import fp32, measured


def test_every_measured_figure_is_known() -> None:
    figures = measured_figures(measured(reference=fp32()))
    assert [path for path in figures if not is_known(path)] == []
    assert {("drop", "miou"), ("reference", "latency_ms", "p50"), ("accuracy", "iou", "traffic light")} <= set(figures)
    assert not any(path[0] in ("samples", "intervals", "device") for path in figures)


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("drop.tc", True),
        ("throughput_fps", True),
        ("stages_ms.decode.p99", True),
        ("reference.accuracy.iou.anything", True),
        ("drop", False),
        ("drop.tcc", False),
        ("reference.drop.tc", False),
        ("reference.reference.accuracy.miou", False),
        ("bundle.name", False),
        ("samples.clip_frames", False),
    ],
)
def test_what_results_can_hold(text: str, known: bool) -> None:
    assert is_known(tuple(text.split("."))) == known


def test_paths_are_written_as_gates_read_them() -> None:
    assert path_text(("accuracy", "iou", "traffic light")) == "accuracy.iou['traffic light']"
    assert path_text(("drop", "tc")) == "drop.tc"


def test_settings_of_a_recipe_are_no_figures() -> None:
    results = measured()
    bundle = msgspec.structs.replace(results.bundle, recipe={"quantize": {"frames": 300}})
    assert measured_figures(msgspec.structs.replace(results, bundle=bundle)) == measured_figures(results)
