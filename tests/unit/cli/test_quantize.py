"""`etc-edge quantize`, and what `inspect`, `verify` and `evaluate` say of the bundle that it makes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from etc_edge.cli.main import run
from etc_edge.core.bundle import Bundle
from etc_edge.core.results import load_results
from tests.street_models import DATA, float_bundle


@pytest.fixture(scope="module")
def floating(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return float_bundle(tmp_path_factory.mktemp("bundles"))


@pytest.fixture(scope="module")
def int8(floating: Bundle) -> Path:
    out = floating.path.with_name("small-int8.etc")
    assert run(["quantize", str(floating.path), "--data", DATA, "--frames", "6", "--out", str(out)]) == 0
    return out


def described(path: Path) -> dict[str, object]:
    found: dict[str, object] = Bundle.open(path).manifest.recipe["quantize"]
    return found


def test_it_says_what_became_of_the_network(
    floating: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "q.etc"
    assert run(["quantize", str(floating.path), "--data", DATA, "--frames", "4", "--out", str(out)]) == 0
    said = capsys.readouterr()
    assert "8 operators in INT8 with 99." in said.out
    assert "in float: 1 × preprocessing" in said.out
    assert "calibrated on 4 frames in" in said.out
    assert f"wrote {out} (0.0" in said.out
    assert "calibrating: 4/4" in said.err


def test_options_go_before_the_recipe(floating: Bundle, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("{observer: minmax, calibration: {frames: 3}, equalize: false}")
    arguments = ["quantize", str(floating.path), str(tmp_path / "recipe.yaml"), "--data", DATA]
    assert run([*arguments, "--out", str(tmp_path / "a.etc")]) == 0
    assert (described(tmp_path / "a.etc")["observer"], described(tmp_path / "a.etc")["equalize"]) == ("minmax", False)
    assert described(tmp_path / "a.etc")["data"] == {"dataset": "street", "split": "train", "frames": 3}
    assert (described(tmp_path / "a.etc")["weights"], described(tmp_path / "a.etc")["bias_correction"]) == (
        "channel",
        False,
    )
    more = ["--observer", "percentile", "--frames", "2", "--split", "val", "--target", "torch_tensorrt"]
    more += ["--weights", "tensor", "--bias-correction"]
    assert run([*arguments, *more, "--out", str(tmp_path / "b.etc")]) == 0
    assert (described(tmp_path / "b.etc")["observer"], described(tmp_path / "b.etc")["scheme"]) == (
        "percentile",
        "symmetric",
    )
    assert (described(tmp_path / "b.etc")["weights"], described(tmp_path / "b.etc")["bias_correction"]) == (
        "tensor",
        True,
    )
    assert described(tmp_path / "b.etc")["data"] == {"dataset": "street", "split": "val", "frames": 2}


def test_steady(floating: Bundle, int8: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "q.etc"
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("{calibration: {frames: 3}, refine: {pairs: 3, tensors: 2, steadiness: 1}}")
    assert run(["quantize", str(floating.path), str(recipe), "--data", DATA, "--steady", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "of the 2 ranges that cost most: " in said
    assert "on pairs held back: squared error of the logits × " in said
    assert described(out)["refine"] == {"pairs": 3, "tensors": 2, "steadiness": 1.0}
    ranges = ["--ranges", str(int8 / "ranges.json")]
    assert run(["quantize", str(floating.path), *ranges, "--steady", "--out", str(tmp_path / "r.etc")]) != 0
    assert "Found --steady with --ranges" in capsys.readouterr().err
    recipe.write_text("{refine: {steadiness: -1}}")
    assert run(["quantize", str(floating.path), str(recipe), "--data", DATA, "--out", str(tmp_path / "n.etc")]) != 0
    assert "refine.steadiness" in capsys.readouterr().err


def test_a_list_of_frames(floating: Bundle, tmp_path: Path) -> None:
    (tmp_path / "list.yaml").write_text(
        "{dataset: street, split: train, clips: [{clip: street-1000001, first: 1, frames: 2}]}"
    )
    arguments = ["quantize", str(floating.path), "--data", DATA, "--list", str(tmp_path / "list.yaml")]
    assert run([*arguments, "--out", str(tmp_path / "q.etc")]) == 0
    assert described(tmp_path / "q.etc")["data"] == {"dataset": "street", "split": "train", "frames": 2}


def test_ranges_instead_of_data(
    floating: Bundle, int8: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["quantize", str(floating.path), "--ranges", str(int8 / "ranges.json")]
    assert run([*arguments, "--out", str(tmp_path / "q.etc")]) == 0
    assert "calibrated on" not in capsys.readouterr().out
    assert (tmp_path / "q.etc" / "model.onnx").read_bytes() == (int8 / "model.onnx").read_bytes()


def test_an_operator_that_stays_in_float_is_said(
    floating: Bundle, int8: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ranges = str(int8 / "ranges.json")
    arguments = ["quantize", str(floating.path), "--ranges", ranges, "--keep-float", "maxpool_5"]
    assert run([*arguments, "--out", str(tmp_path / "q.etc")]) == 0
    assert "in float: 1 × asked for" in capsys.readouterr().out


def test_inspect_shows_both(floating: Bundle, int8: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["inspect", str(floating.path), "--operators"]) == 0
    shown = capsys.readouterr().out
    assert "small, fp32" in shown
    assert "INT8" not in shown
    assert "multiply-adds" in shown
    assert [line.split()[-1] for line in shown.splitlines() if " M  Conv" in line] == [
        "preprocess_normalise",
        "conv_0",
        "conv_2",
        "conv_4",
        "conv_7",
    ]
    totals = [line for line in shown.splitlines() if line.startswith("│ all")]
    assert run(["inspect", str(int8)]) == 0
    shown = capsys.readouterr().out
    assert "small-int8, int8" in shown
    assert "99.8% of the multiply-adds, 6 quantized activations" in shown
    assert Bundle.open(int8).hash in "".join(shown.split()), "whole, whatever the width of the terminal"
    assert [line for line in shown.splitlines() if line.startswith("│ all")] == totals


def test_verify(int8: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["verify", str(int8), "--target", "onnxruntime"]) == 0
    shown = capsys.readouterr().out
    assert "files       3 as recorded" in shown
    assert "of the labels as stated, on onnxruntime" in shown


def test_evaluate(floating: Bundle, int8: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "results.json"
    arguments = ["evaluate", str(int8), "--data", DATA, "--reference", str(floating.path), "--target", "onnxruntime"]
    assert run([*arguments, "--by-class", "--json", str(path), "--threads", "1"]) == 0
    shown = capsys.readouterr()
    for words in ("mIoU", "tc (temporal consistency)", "agreement with the reference", "vegetation", "flow: exact"):
        assert words in shown.out
    assert f"results in {path}" in shown.out
    assert "evaluating: 6/6" in shown.err
    results = load_results(path)
    assert results.bundle.name == "small-int8"
    assert json.loads(path.read_text())["reference"]["bundle"]["name"] == "small"
    assert set(json.loads(path.read_text())["drop"]) == {"miou", "tc", "tc_etc", "flicker"}
