"""Timings, loads and conditions in words."""

from __future__ import annotations

import io

import msgspec
from rich.console import Console

from etc_edge.core.results import AtRate, Conditions, Latency, Protocol, Results, Scaling
from etc_edge.metrics.latency import latency
from etc_edge.report.figures import load_rows, mode_rows, stage_rows
from etc_edge.report.page import report_page
from etc_edge.report.subject import Subject
from etc_edge.report.table import print_results
from etc_edge.report.timing import busy_note, condition_lines, conditions_text, protocol_text
from tests.measured_results import measured


def figures(ms: float) -> Latency:
    return latency([ms, ms + 1, ms + 2])


def timed() -> Results:
    return msgspec.structs.replace(
        measured(),
        modes_ms={"engine": figures(8), "copies": figures(9)},
        at_rate={"30": AtRate(rate_fps=30, frames=90, dropped=2, latency_ms=figures(12))},
        scaling={"2x1": Scaling(streams=2, threads=1, latency_ms=figures(20), throughput_fps=95.0)},
        protocol=Protocol(
            run="r",
            warm_up=3,
            rounds=10,
            frames=40,
            interleaved=2,
            precision={"latency_ms.p50": 0.031},
            asked={"latency_ms.p50": 0.02},
            reached=False,
        ),
        conditions=Conditions(seconds=61.2, others_share=0.4, load_average=3.5, governor="performance", throttled=2),
    )


def test_all_of_it_is_on_the_terminal_and_on_the_page() -> None:
    console = Console(width=160, record=True, file=io.StringIO())
    print_results(timed(), console=console)
    shown, page = console.export_text(), report_page([Subject(timed())], "title")
    for text in (
        "network alone p50, ms",
        "at 30 fps",
        "p50 13.0, p99 14.0 ms, 2 of 90 dropped",
        "2 streams of 1 thread",
        "95.0 fps, p50 21.0 ms",
        "10 rounds of 40 frames, 2 in turns; p50 ±3.1%; asked for p50 ±2.0%: time was up first (--at-most)",
        "61.2 s, others took 40% of the cores, load 3.50, governor performance",
    ):
        assert text in shown, text
        assert text in page, text
    assert "rely on ratios, not on milliseconds" in shown


def test_rows() -> None:
    plain, loaded = measured(), timed()
    assert mode_rows([plain]) == load_rows([plain]) == []
    assert [row.values for row in mode_rows([plain, loaded])] == [("", "9.00"), ("", "10.0")]
    assert load_rows([plain, loaded])[0].values[0] == ""
    assert "infer p50, ms" in [row.figure for row in stage_rows([plain])]
    assert "infer p50, ms" not in [row.figure for row in stage_rows([loaded])]


def test_timings_of_several_say_whose_they_are() -> None:
    one = timed()
    assert condition_lines([one], ["FP32"])[0].startswith("timing   10 rounds")
    found = condition_lines([one, one], ["FP32", "INT8"])
    assert [line.partition(": ")[0] for line in found[:2]] == ["timing   FP32", "timing   INT8"]


def test_notes() -> None:
    assert busy_note(Conditions(seconds=1, others_share=0.02)) is None
    assert busy_note(Conditions(seconds=1)) is None
    found = busy_note(Conditions(seconds=1, steal_share=0.3, throttled=1))
    assert found is not None
    assert found.startswith("the hypervisor took 30% of the cores and heat slowed cores down, counted 1 times: ")
    assert conditions_text(Conditions(seconds=1)) == "1 s"
    done = Protocol(run="r", warm_up=3, rounds=1, frames=1, interleaved=1, precision={}, asked={}, reached=True)
    assert protocol_text(done) == "1 round of 1 frame"
