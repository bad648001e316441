"""Benchmarking real engines: every model on every target in one run, figures in the results' schema."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import UNSET

from etc_edge.core.bundle import Bundle
from etc_edge.core.errors import BundleError, CompileError, EtcEdgeError, SourceError
from etc_edge.core.results import load_results, save_results
from etc_edge.stages.benchmark import benchmark, split_arguments
from etc_edge.stages.compile import compile_bundle
from tests.tiny_bundle import write_tiny_bundle

TARGETS = ("onnxruntime", "openvino")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_tiny_bundle(tmp_path_factory.mktemp("bundle") / "colors.etc")


def test_every_model_on_every_target(bundle: Bundle, tmp_path: Path) -> None:
    other = write_tiny_bundle(tmp_path / "larger.etc", (64, 96))
    report = benchmark([bundle.path, other.path], None, TARGETS, frames=6, threads=1)
    assert [result.bundle.target for result in report.results] == [*TARGETS, *TARGETS]
    assert [result.bundle.sha256 for result in report.results] == [bundle.hash] * 2 + [other.hash] * 2
    assert report.ratios[0] == 1
    assert all(ratio > 0 for ratio in report.ratios)
    for result in report.results:
        assert result.bundle.threads == 1
        assert result.bundle.model_bytes == bundle.model_path.stat().st_size or result.bundle.sha256 == other.hash
        assert (result.data.name, result.data.frames) == ("self-test of colors", 6)
        assert {"numpy", "onnxruntime", "openvino"} <= set(result.versions)
        assert result.device["cores"]
        assert not isinstance(result.stages_ms, type(UNSET))
        assert set(result.stages_ms) == {"preprocess", "infer", "postprocess"}, "nothing was decoded"
        assert not isinstance(result.latency_ms, type(UNSET))
        assert result.latency_ms.p50 <= result.latency_ms.p99 <= result.latency_ms.max
        assert result.throughput_fps == pytest.approx(1e3 / result.latency_ms.mean)
        assert result.peak_memory_bytes is UNSET, "one process held them all"


def test_one_model_on_a_source(bundle: Bundle, tmp_path: Path) -> None:
    source = "synthetic:street?size=60x80&frames=3"
    report = benchmark([bundle.path], source, ("onnxruntime",), frames=5, threads=1)
    (result,) = report.results
    assert result.data.name == source
    assert not isinstance(result.stages_ms, type(UNSET))
    assert result.stages_ms["decode"].p50 > 0
    assert not isinstance(result.peak_memory_bytes, type(UNSET))
    assert result.peak_memory_bytes > 10_000_000
    save_results(result, tmp_path / "results.json")
    assert load_results(tmp_path / "results.json") == result


def test_a_compiled_engine_brings_its_target_and_needs_a_source(bundle: Bundle, tmp_path: Path) -> None:
    compiled = compile_bundle(bundle.path, "onnxruntime", tmp_path / "engine", threads=1)
    with pytest.raises(SourceError, match="Found only compiled engines"):
        benchmark([compiled.path], frames=2)
    report = benchmark([compiled.path, bundle.path], "synthetic:street?size=60x80&frames=2", ("openvino",), frames=2)
    assert [result.bundle.target for result in report.results] == ["onnxruntime", "openvino"]
    written = [file for file in compiled.path.iterdir() if file.name != "engine.json"]
    assert compiled.path / "optimized.onnx" in written
    assert report.results[0].bundle.model_bytes == sum(file.stat().st_size for file in written)


def test_what_cannot_be_measured(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(CompileError, match="tensorrt"):
        benchmark([bundle.path], None, ("onnxruntime", "tensorrt"))
    with pytest.raises(EtcEdgeError, match="Found 0 frames"):
        benchmark([bundle.path], None, ("onnxruntime",), frames=0)
    with pytest.raises(BundleError):
        benchmark([tmp_path / "absent.etc"])


def test_the_last_argument_may_be_a_source(bundle: Bundle, tmp_path: Path) -> None:
    name = str(bundle.path)
    assert split_arguments([name, name]) == ([bundle.path, bundle.path], None)
    assert split_arguments([name, "street.mp4"]) == ([bundle.path], "street.mp4")
    assert split_arguments([name, "absent.etc"]) == ([bundle.path, Path("absent.etc")], None)
    with pytest.raises(BundleError, match="Found only"):
        split_arguments([str(tmp_path / "street.mp4")])
