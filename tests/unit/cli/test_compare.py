"""`etc-edge compare` and the gates of `evaluate`, as a CI job sees them."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from etc_edge.cli.main import run
from etc_edge.core.results import load_results, save_results
from tests.measured_results import fp32, measured
from tests.tiny_bundle import write_tiny_bundle


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    before, now = tmp_path / "before.json", tmp_path / "now.json"
    save_results(measured(wrong=0.2, seed=1, reference=fp32()), before)
    save_results(measured(wrong=0.3, seed=2, reference=fp32()), now)
    return str(before), str(now)


def test_a_table_and_no_gate_is_done(files: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compare", *files]) == 0
    shown = capsys.readouterr().out
    assert "accuracy.miou" in shown
    assert "worse" in shown


def test_a_gate_that_fires_ends_with_1(
    files: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gates = ["--fail-if", "accuracy.miou < base.accuracy.miou - 0.01", "--fail-if", "latency_ms.p50 > 1e6"]
    assert run(["compare", *files, *gates, "--github", "--junit", str(tmp_path / "gates.xml")]) == 1
    shown = capsys.readouterr().out
    assert "fails  accuracy.miou < base.accuracy.miou - 0.01: accuracy.miou is " in shown
    assert "holds  latency_ms.p50 > 1e6" in shown
    assert "\n::error title=etc-edge gates::accuracy.miou" in shown
    assert ElementTree.parse(tmp_path / "gates.xml").getroot().get("failures") == "1"


def test_gates_on_one_file(files: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compare", files[1], "--fail-if", "drop.miou > 1"]) == 0
    assert "before" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["--fail-if", "drop.tcc > 0"], "Did you mean 'drop.tc'?"),
        (["--fail-if", "temporal.vc8 > 0"], "Found no measured temporal.vc8"),
        (["--fail-if", "base.drop.tc > 0"], "without results to compare with"),
        ([], "expected two files to compare or a gate"),
    ],
)
def test_what_cannot_be_decided_ends_with_2(
    arguments: list[str], found: str, files: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["compare", files[1], *arguments]) == 2
    assert found in capsys.readouterr().err


def test_markdown(files: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compare", *files, "--markdown"]) == 0
    assert capsys.readouterr().out.startswith("| figure | before | now | change | verdict |\n| --- |")


def test_three_files_and_absent_ones(files: tuple[str, str], tmp_path: Path) -> None:
    assert run(["compare", *files, files[0]]) == 2
    assert run(["compare", files[0], str(tmp_path / "absent.json")]) == 1


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """Ten frames of a clip with the labels that the colour network gives them."""
    import cv2

    from etc_edge.runtime.segmenter import Segmenter
    from tests.tiny_bundle import color_frame

    bundle = write_tiny_bundle(tmp_path / "colors.etc")
    (tmp_path / "data" / "val" / "images").mkdir(parents=True)
    (tmp_path / "data" / "val" / "labels").mkdir()
    (tmp_path / "data" / "classes.yaml").write_text("names:\n- red\n- green\n- blue\n")
    with Segmenter.load(bundle, "onnxruntime", 1) as segmenter:
        for seed in range(10):
            frame = color_frame(seed)
            cv2.imwrite(str(tmp_path / "data" / "val" / "images" / f"{seed:02}.png"), frame[..., ::-1])
            cv2.imwrite(str(tmp_path / "data" / "val" / "labels" / f"{seed:02}.png"), segmenter(frame))
    return tmp_path


def test_evaluate_against_a_baseline_in_one_step(labelled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate = ["--quiet", "evaluate", str(labelled / "colors.etc"), "--data", str(labelled / "data")]
    evaluate += ["--target", "onnxruntime", "--threads", "1"]
    now = labelled / "now.json"
    assert run([*evaluate, "--json", str(now), "--fail-if", "accuracy.miou < 1"]) == 0
    assert run([*evaluate, "--baseline", str(now), "--fail-if", "accuracy.miou >= base.accuracy.miou"]) == 1
    shown = capsys.readouterr().out
    assert "accuracy.miou" in shown
    assert "fails  accuracy.miou >= base.accuracy.miou: accuracy.miou is 1, base.accuracy.miou is 1" in shown
    assert load_results(now).data.frames == 10


def test_a_wrong_gate_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    absent = str(tmp_path / "absent.etc")
    assert run(["evaluate", absent, "--data", absent, "--fail-if", "drop.tcc > 0"]) == 2
    assert run(["evaluate", absent, "--data", absent, "--fail-if", "base.drop.tc > 0"]) == 2


def test_two_results_of_one_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    both = tmp_path / "both.json"
    save_results([measured(seed=1), measured(wrong=0.3, seed=2)], both)
    assert run(["compare", str(both)]) == 0
    assert "worse" in capsys.readouterr().out
    assert run(["compare", str(both), "--fail-if", "accuracy.miou < base.accuracy.miou"]) == 1
    assert run(["compare", str(both), str(both)]) == 2
