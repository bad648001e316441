"""`etc-edge export` as a user calls it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from etc_edge.cli.main import run
from etc_edge.core.bundle import Bundle
from etc_edge.core.preprocessing import Preprocessing
from tests.street_models import write_onnx


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_onnx(tmp_path, "relu")


def exported(model: Path, *options: str) -> Preprocessing:
    out = model.with_name("b.etc")
    assert run(["export", str(model), "--out", str(out), *options]) == 0
    return Bundle.open(out).preprocessing


def test_it_says_what_it_wrote(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exported(model, "--classes", str(model.with_name("classes.yaml")), "--name", "mine")
    said = capsys.readouterr()
    assert "logits differ from the original's by" in said.out
    assert f"wrote {model.with_name('b.etc')}: 32x48, 9 classes, 0.0" in said.out
    assert "simplifying the graph" in said.err
    bundle = Bundle.open(model.with_name("b.etc"))
    assert (bundle.name, bundle.labels.names[0]) == ("mine", "sky")


def test_quiet(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--quiet", "export", str(model), "--out", str(model.with_name("b.etc"))]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("mean", "std", "in_levels"),
    [
        ("104,117,123", "57,58,59", ((104, 117, 123), (57, 58, 59))),
        # Caffe's way: the mean is subtracted, nothing is divided.
        ("104,117,123", "1,1,1", ((104, 117, 123), (1, 1, 1))),
        ("0.5,0.25,0", "0.5,0.25,0.2", ((127.5, 63.75, 0), (127.5, 63.75, 51))),
        ("-0.5,0,0", "0.5,0.5,0.5", ((-127.5, 0, 0), (127.5, 127.5, 127.5))),
    ],
)
def test_units_of_mean_and_deviation(
    mean: str, std: str, in_levels: tuple[tuple[float, ...], ...], model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = exported(model, f"--mean={mean}", f"--std={std}", "--color", "bgr")
    assert found == Preprocessing((32, 48), *in_levels, color="bgr")  # type: ignore[arg-type]
    assert ("took --mean and --std in 0–1 units" in capsys.readouterr().out) == (float(std.split(",")[0]) < 1)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--mean", "1,2"], "Found '1,2', expected three numbers"),
        (["--mean", "1,2,x"], "Found '1,2,x', expected three numbers"),
        (["--size", "360"], "Found '360', expected height x width such as 360x480"),
        (["--mean", "1,2,3"], "Found one of --mean and --std, expected both or neither"),
        (["--std", "1,2,3"], "Found one of --mean and --std, expected both or neither"),
        (["--mean", "104,117,123", "--std", "0.2,0.2,0.2"], "Found --mean above 1 with --std below 1"),
        (["--color", "yuv"], "'yuv' is not one of"),
    ],
)
def test_wrong_use(options: list[str], says: str, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["export", str(model), "--out", str(model.with_name("b.etc")), *options]) == 2
    assert says in " ".join(capsys.readouterr().err.split())
    assert not model.with_name("b.etc").exists()


@pytest.mark.parametrize("missing", ["onnx", "onnxsim"])
def test_a_missing_package_is_named(
    missing: str, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    assert run(["export", str(model), "--out", str(model.with_name("b.etc"))]) == 1
    said = capsys.readouterr().err
    assert f"Found no package '{missing}', which export needs" in said
    assert 'pip install "etc-edge[graph]"' in said


def test_export_from_a_checkpoint_needs_torch(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    model.with_name("weights.pth").write_bytes(b"")
    assert run(["export", str(model.with_name("weights.pth")), "--out", str(model.with_name("b.etc"))]) == 1
    assert 'pip install "etc-edge[train]"' in capsys.readouterr().err
