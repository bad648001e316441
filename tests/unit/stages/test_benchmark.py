"""Benchmarking real engines: every model on every target in one run, figures in the results' schema."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import UNSET

from etc_edge.benchmark.rounds import Effort
from etc_edge.core.bundle import Bundle
from etc_edge.core.errors import BundleError, CompileError, EtcEdgeError, SourceError
from etc_edge.core.results import load_results, save_results
from etc_edge.metrics.comparison import changes
from etc_edge.metrics.speed import RELATIVE
from etc_edge.stages.benchmark import Load, benchmark, split_arguments
from etc_edge.stages.compile import compile_bundle
from tests.tiny_bundle import write_tiny_bundle

TARGETS = ("onnxruntime", "openvino")
BRIEF = Load(seconds=0.05, memory=False)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_tiny_bundle(tmp_path_factory.mktemp("bundle") / "colors.etc")


def test_every_model_on_every_target(bundle: Bundle, tmp_path: Path) -> None:
    other = write_tiny_bundle(tmp_path / "larger.etc", (64, 96))
    report = benchmark(
        [bundle.path, other.path], None, TARGETS, Effort(frames=3), threads=1, yardstick=None, load=BRIEF
    )
    assert [result.bundle.target for result in report.results] == [*TARGETS, *TARGETS]
    assert [result.bundle.sha256 for result in report.results] == [bundle.hash] * 2 + [other.hash] * 2
    assert report.ratios[0] == 1
    assert all(ratio > 0 for ratio in report.ratios)
    for result in report.results:
        assert result.bundle.threads == 1
        assert result.bundle.model_bytes == bundle.model_path.stat().st_size or result.bundle.sha256 == other.hash
        assert (result.data.name, result.data.frames) == ("self-test of colors", 3)
        assert {"numpy", "onnxruntime", "openvino"} <= set(result.versions)
        assert result.device["cores"]
        assert not isinstance(result.stages_ms, type(UNSET))
        assert set(result.stages_ms) == {"preprocess", "infer", "postprocess"}, "nothing was decoded"
        assert not isinstance(result.latency_ms, type(UNSET))
        assert result.latency_ms.p50 <= result.latency_ms.p99 <= result.latency_ms.max
        assert not isinstance(result.throughput_fps, type(UNSET))
        assert result.throughput_fps > 0
        assert not isinstance(result.modes_ms, type(UNSET))
        assert set(result.modes_ms) == {"engine", "copies"}, "nothing was decoded"
        assert 0 < result.modes_ms["engine"].p50 <= result.modes_ms["copies"].p50 <= result.latency_ms.p50
        assert result.yardstick is UNSET
        assert result.protocol.rounds == 3  # type: ignore[union-attr]
        assert result.protocol.interleaved == 4  # type: ignore[union-attr]
        assert result.conditions.seconds > 0  # type: ignore[union-attr]


def test_one_model_on_a_source(bundle: Bundle, tmp_path: Path) -> None:
    source = "synthetic:street?size=60x80&frames=3"
    report = benchmark(
        [bundle.path], source, ("onnxruntime",), Effort(frames=5), 1, load=Load((200.0,), streams=2, seconds=0.2)
    )
    (result,) = report.results
    assert result.data.name == source
    assert not isinstance(result.stages_ms, type(UNSET))
    assert result.stages_ms["decode"].p50 > 0
    assert not isinstance(result.peak_memory_bytes, type(UNSET))
    assert result.peak_memory_bytes > 10_000_000
    assert not isinstance(result.memory, type(UNSET))
    assert 0 < result.memory.engine_bytes < result.peak_memory_bytes
    assert not isinstance(result.modes_ms, type(UNSET))
    assert result.modes_ms["end_to_end"].p50 > result.modes_ms["copies"].p50
    assert not isinstance(result.yardstick, type(UNSET))
    assert result.yardstick.name == "street_small"
    assert result.yardstick.engine.endswith("1 thread")
    assert 0 < result.yardstick.relative < 1, "a network of a few hundred weights"
    assert not isinstance(result.at_rate, type(UNSET))
    assert result.at_rate["200"].frames == 40
    assert not isinstance(result.scaling, type(UNSET))
    assert max(one.streams for one in result.scaling.values()) == 2
    save_results(result, tmp_path / "results.json")
    assert load_results(tmp_path / "results.json") == result


def test_a_compiled_engine_brings_its_target_and_needs_a_source(bundle: Bundle, tmp_path: Path) -> None:
    compiled = compile_bundle(bundle.path, "onnxruntime", tmp_path / "engine", threads=1)
    with pytest.raises(SourceError, match="Found only compiled engines"):
        benchmark([compiled.path])
    report = benchmark(
        [compiled.path, bundle.path],
        "synthetic:street?size=60x80&frames=2",
        ("openvino",),
        Effort(2),
        yardstick=None,
        load=BRIEF,
    )
    assert [result.bundle.target for result in report.results] == ["onnxruntime", "openvino"]
    written = [file for file in compiled.path.iterdir() if file.name != "engine.json"]
    assert compiled.path / "optimized.onnx" in written
    assert report.results[0].bundle.model_bytes == sum(file.stat().st_size for file in written)


def test_what_cannot_be_measured(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(CompileError, match="tensorflow"):
        benchmark([bundle.path], None, ("onnxruntime", "tensorflow"))
    with pytest.raises(EtcEdgeError, match="Found 0 frames"):
        benchmark([bundle.path], None, ("onnxruntime",), Effort(frames=0))
    with pytest.raises(BundleError):
        benchmark([tmp_path / "absent.etc"])


def test_two_models_of_one_run_are_compared_turn_by_turn(bundle: Bundle, tmp_path: Path) -> None:
    larger = write_tiny_bundle(tmp_path / "larger.etc", (256, 384))
    report = benchmark(
        [bundle.path, larger.path], None, ("onnxruntime",), Effort(frames=40), 1, yardstick=None, load=BRIEF
    )
    base, new = report.results
    found = {change.figure: change for change in changes(base, new)}
    assert found[RELATIVE].verdict == found["latency_ms.p50"].verdict == "worse"
    assert found[RELATIVE].new == pytest.approx(report.ratios[1])


def test_it_stops_when_precise_or_when_time_is_up(bundle: Bundle) -> None:
    # The first asks for what any ten rounds give, the second for what none do.
    for asked, reached in (({"latency_ms.p50": 9.0}, True), ({"latency_ms.p50": 1e-9}, False)):
        effort = Effort(None, asked, at_most_s=2)
        (result,) = benchmark([bundle.path], None, ("onnxruntime",), effort, 1, yardstick=None, load=BRIEF).results
        assert not isinstance(result.protocol, type(UNSET))
        assert result.protocol.reached is reached
        assert result.protocol.rounds >= 5
        assert result.data.frames == result.protocol.rounds * result.protocol.frames


def test_the_last_argument_may_be_a_source(bundle: Bundle, tmp_path: Path) -> None:
    name = str(bundle.path)
    assert split_arguments([name, name]) == ([bundle.path, bundle.path], None)
    assert split_arguments([name, "street.mp4"]) == ([bundle.path], "street.mp4")
    assert split_arguments([name, "absent.etc"]) == ([bundle.path, Path("absent.etc")], None)
    assert split_arguments([name, "net.onnx"], checkpoints=True) == ([bundle.path, Path("net.onnx")], None)
    with pytest.raises(BundleError, match="Found only"):
        split_arguments([str(tmp_path / "street.mp4")])
