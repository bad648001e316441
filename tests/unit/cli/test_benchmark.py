"""`etc-edge benchmark` as a user sees it."""

from __future__ import annotations

from pathlib import Path

import pytest

from etc_edge.cli.main import run
from etc_edge.core.results import load_all_results
from tests.tiny_bundle import write_tiny_bundle


def test_two_models_and_then_compare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = write_tiny_bundle(tmp_path / "small.etc")
    large = write_tiny_bundle(tmp_path / "large.etc", (128, 192))
    out = tmp_path / "both.json"
    options = ["--target", "onnxruntime", "--threads", "1", "--frames", "10", "--yardstick", str(small.path)]
    assert run(["benchmark", str(small.path), str(large.path), *options, "--json", str(out)]) == 0
    shown = capsys.readouterr().out
    for text in ("network alone", "time against the first", "10 rounds of 1 frame, 3 in turns", "yardstick colors on"):
        assert text in shown
    assert len(load_all_results(out)) == 2
    assert run(["compare", str(out)]) == 0
    assert "relative latency" in capsys.readouterr().out


def test_a_size_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["benchmark", "net.onnx", "--size", "360"]) == 2
    assert "expected height x width" in capsys.readouterr().err


def test_a_rate_that_is_none_is_told_before_anything_is_timed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["benchmark", "net.etc", "--rate", "0"]) == 2
    assert "0" in capsys.readouterr().err
