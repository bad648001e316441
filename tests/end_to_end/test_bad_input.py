"""Bad input over the command line: one clear line, the exit code, no traceback, and nothing half-written."""

from __future__ import annotations

import json
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

from etc_edge.cli.main import run
from etc_edge.core.bundle import Bundle
from tests.small_networks import Builder
from tests.street_models import DATA, float_bundle, write_onnx


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return float_bundle(tmp_path_factory.mktemp("bundles"))


@pytest.fixture
def bundle(original: Bundle, tmp_path: Path) -> Path:
    """A copy that a test may damage, in a folder with nothing else."""
    shutil.copytree(original.path, tmp_path / "small.etc")
    return tmp_path / "small.etc"


@pytest.fixture
def fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a command that must fail; gives its error line and hint."""

    def fail(*arguments: object, code: int = 1) -> str:
        before = listing(tmp_path)
        assert run([str(word) for word in arguments]) == code
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        errors = [line for line in said.err.splitlines() if line.startswith("error: ")]
        assert len(errors) == 1, said.err
        assert listing(tmp_path) == before, "nothing is left behind"
        return said.err[said.err.index("error: ") :]

    return fail


def listing(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_videos_that_are_missing_corrupt_or_empty(bundle: Path, tmp_path: Path, fails: Callable[..., str]) -> None:
    out = ["--out", tmp_path / "out.mp4", "--labels", tmp_path / "labels", "--json", tmp_path / "frames.jsonl"]
    target = ["--target", "onnxruntime"]
    assert "Found no video" in fails("run", bundle, tmp_path / "absent.mp4", *out, *target)
    (tmp_path / "corrupt.mp4").write_bytes(b"\0\0\0\x20ftypisom" + bytes(range(256)) * 20)
    assert "corrupt.mp4" in fails("run", bundle, tmp_path / "corrupt.mp4", *out, *target)
    (tmp_path / "empty.mp4").write_bytes(b"")
    assert "empty.mp4" in fails("run", bundle, tmp_path / "empty.mp4", *out, *target)
    (tmp_path / "pictures").mkdir()
    assert "Found no" in fails("run", bundle, tmp_path / "pictures", *out, *target)


def test_a_video_that_breaks_off(bundle: Path, tmp_path: Path, fails: Callable[..., str]) -> None:
    whole = tmp_path / "whole.mp4"
    assert (
        run(
            [
                "run",
                str(bundle),
                "synthetic:street?size=60x80&frames=30",
                "--out",
                str(whole),
                "--target",
                "onnxruntime",
            ]
        )
        == 0
    )
    data = whole.read_bytes()
    whole.write_bytes(data[: len(data) // 2])
    assert "whole.mp4" in fails("run", bundle, whole, "--out", tmp_path / "out.mp4", "--target", "onnxruntime")


def street_folder(root: Path, value: int | None = None, classes: int = 9, image: bytes | None = None) -> Path:
    """A data set of one labelled picture; `value` is a label to put into it."""
    names = Bundle.open(root / "small.etc").labels.names[:classes]
    folder = root / "data"
    for kind in ("images", "labels"):
        (folder / "val" / kind).mkdir(parents=True)
    (folder / "classes.yaml").write_text("names:\n" + "".join(f"  - {name}\n" for name in names))
    cv2.imwrite(str(folder / "val" / "images" / "0.png"), np.full((40, 60, 3), 90, np.uint8))
    labels = np.zeros((40, 60), np.uint8)
    labels[3, 4] = value or 0
    cv2.imwrite(str(folder / "val" / "labels" / "0.png"), labels)
    if image is not None:
        (folder / "val" / "images" / "0.png").write_bytes(image)
    return folder


def evaluate(bundle: Path, data: Path) -> list[object]:
    return ["evaluate", bundle, "--data", data, "--target", "onnxruntime", "--json", data.parent / "results.json"]


def test_data_that_does_not_fit_the_model(bundle: Path, tmp_path: Path, fails: Callable[..., str]) -> None:
    assert "Found no data set at" in fails(*evaluate(bundle, tmp_path / "absent"))
    said = fails(*evaluate(bundle, street_folder(tmp_path, classes=4)))
    assert "Found 4 classes in" in said
    assert "expected the model's 9" in said


def test_label_values_outside_the_classes(bundle: Path, tmp_path: Path, fails: Callable[..., str]) -> None:
    said = fails(*evaluate(bundle, street_folder(tmp_path, value=42)))
    assert "Found label value 42 in" in said
    assert "expected 0 to 8 or void 255" in said


def test_a_picture_that_cannot_be_read(bundle: Path, tmp_path: Path, fails: Callable[..., str]) -> None:
    data = street_folder(tmp_path, image=b"\x89PNG\r\n\x1a\nno picture")
    assert "0.png" in fails(*evaluate(bundle, data))
    out = tmp_path / "q.etc"
    assert "0.png" in fails("quantize", bundle, "--data", data, "--split", "val", "--out", out)


def test_an_unknown_key_in_a_recipe(bundle: Path, tmp_path: Path, fails: Callable[..., str]) -> None:
    out = ["--data", DATA, "--out", tmp_path / "q.etc"]
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("{observer: mse, calibratoin: {frames: 3}}")
    said = fails("quantize", bundle, recipe, *out)
    assert "Found the unknown key 'calibratoin'" in said
    assert "Did you mean 'calibration'?" in said
    recipe.write_text("{calibration: {frame: 3}}")
    said = fails("quantize", bundle, recipe, *out)
    assert "Found the unknown key 'frame' under 'calibration'" in said
    assert "Did you mean 'frames'?" in said
    assert "Found no file" in fails("quantize", bundle, "int8-msee", *out)
    recipe.write_text("{observer: msee}")
    assert "Did you mean 'mse'?" in fails("quantize", bundle, recipe, *out)
    recipe.write_text("{calibration: {frames: 0}}")
    assert "Found 0 frames" in fails("quantize", bundle, recipe, *out)


@pytest.mark.parametrize("command", ["run", "compile", "quantize", "evaluate", "inspect", "verify", "benchmark"])
def test_a_bundle_with_a_changed_byte(command: str, bundle: Path, tmp_path: Path, fails: Callable[..., str]) -> None:
    data = bytearray((bundle / "model.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (bundle / "model.onnx").write_bytes(data)
    rest: dict[str, list[object]] = {
        "run": ["synthetic:street?frames=2", "--out", tmp_path / "out.mp4"],
        "compile": ["--out", tmp_path / "engine", "--target", "onnxruntime"],
        "quantize": ["--data", DATA, "--out", tmp_path / "q.etc"],
        "evaluate": ["--data", DATA, "--json", tmp_path / "results.json"],
        "benchmark": ["--target", "onnxruntime", "--json", tmp_path / "results.json"],
    }
    said = fails(command, bundle, *rest.get(command, []))
    assert "Found model.onnx in" in said
    assert "changed: SHA-256" in said


def test_bundles_that_are_incomplete(bundle: Path, tmp_path: Path, fails: Callable[..., str]) -> None:
    assert "Found no bundle at" in fails("inspect", tmp_path / "absent.etc")
    (bundle / "selftest.npz").unlink()
    assert "Found no file 'selftest.npz'" in fails("inspect", bundle)
    manifest = json.loads((bundle / "manifest.json").read_text())
    (bundle / "manifest.json").write_text(json.dumps({**manifest, "schema_version": 7}))
    assert "Found bundle schema 7" in fails("inspect", bundle)
    (bundle / "manifest.json").write_text("{")
    assert "cannot be read" in fails("inspect", bundle)
    (bundle / "manifest.json").unlink()
    assert "without a readable manifest.json" in fails("inspect", bundle)


def test_onnx_files_that_are_truncated_or_of_another_kind(tmp_path: Path, fails: Callable[..., str]) -> None:
    path = write_onnx(tmp_path)
    export = ["export", path, "--out", tmp_path / "b.etc"]
    data = path.read_bytes()
    for part in (0, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:part])
        assert "small.onnx" in fails(*export)
    path.write_bytes(b"\xff\xd8\xff\xe0 a photograph")
    assert "small.onnx" in fails(*export)
    assert "Found no ONNX file at" in fails("export", tmp_path / "absent.onnx", "--out", tmp_path / "b.etc")
    assert "Found no checkpoint at" in fails("export", tmp_path / "absent.pth", "--out", tmp_path / "b.etc")


def test_networks_of_another_shape(tmp_path: Path, fails: Callable[..., str]) -> None:
    path = write_onnx(tmp_path)
    export = ["export", path, "--out", tmp_path / "b.etc"]
    assert "Found input 'image' fixed at 32x48, asked for 64x96" in fails(*export, "--size", "64x96")
    (tmp_path / "three.yaml").write_text("names: [a, b, c]")
    said = fails(*export, "--classes", tmp_path / "three.yaml")
    assert "Found 9 channels in output" in said
    assert "expected one a class: 3" in said
    build = Builder()
    onnx.save(build.model(build.node("Flatten", build.conv("image", 9)), None, rank=2), path)
    assert "expected logits (1, classes, h, w)" in fails(*export)


def test_an_operator_that_cannot_be_quantized_is_kept_in_float_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build = Builder()
    stem = build.node("Relu", build.conv("image", stride=2))
    odd = build.node("Erf", build.conv(stem))
    onnx.save(build.model(build.conv(odd, 9), 9), tmp_path / "odd.onnx")
    assert run(["export", str(tmp_path / "odd.onnx"), "--out", str(tmp_path / "odd.etc")]) == 0
    out = str(tmp_path / "odd-int8.etc")
    assert run(["quantize", str(tmp_path / "odd.etc"), "--data", DATA, "--frames", "2", "--out", out]) == 0
    assert "in float: 1 × Erf has no INT8 form" in capsys.readouterr().out


def test_a_network_without_anything_to_quantize(tmp_path: Path, fails: Callable[..., str]) -> None:
    build = Builder()
    onnx.save(build.model(build.node("Exp", "image", channels=3), 3), tmp_path / "odd.onnx")
    assert run(["export", str(tmp_path / "odd.onnx"), "--out", str(tmp_path / "odd.etc")]) == 0
    out = tmp_path / "odd-int8.etc"
    assert "Found no operator that would gain from INT8" in fails(
        "quantize", tmp_path / "odd.etc", "--data", DATA, "--out", out
    )


def test_what_is_no_bundle_is_not_overwritten(bundle: Path, tmp_path: Path, fails: Callable[..., str]) -> None:
    (tmp_path / "thesis.etc").mkdir()
    (tmp_path / "thesis.etc" / "thesis.txt").write_text("years of work")
    path = write_onnx(tmp_path)
    for arguments in (["export", path], ["quantize", bundle, "--data", DATA]):
        said = fails(*arguments, "--out", tmp_path / "thesis.etc")
        assert "is no bundle and would be overwritten" in said
        assert "expected one that ends in .etc" in fails(*arguments, "--out", tmp_path / "b.onnx")
    assert "Choose another --out" in fails("quantize", bundle, "--data", DATA, "--out", bundle)


def limit_file_size() -> None:
    """No file of more than 20 kB, as on a disk with so much room left; Python turns the signal into an error."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))


@pytest.mark.parametrize("command", ["export", "quantize"])
def test_a_disk_without_room(command: str, bundle: Path, tmp_path: Path) -> None:
    path = write_onnx(tmp_path)
    rest = {"export": [str(path)], "quantize": [str(bundle), "--data", DATA, "--frames", "2"]}[command]
    before = listing(tmp_path)
    ended = subprocess.run(
        [sys.executable, "-m", "etc_edge.cli.main", command, *rest, "--out", str(tmp_path / "b.etc")],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=limit_file_size,
    )
    assert ended.returncode == 1, ended.stderr
    assert "nothing was written to b.etc" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert listing(tmp_path) == before


@pytest.mark.parametrize(("command", "number"), [("quantize", signal.SIGTERM), ("evaluate", signal.SIGINT)])
def test_ctrl_c_in_the_middle(command: str, number: int, bundle: Path, tmp_path: Path) -> None:
    # Far more frames than there is time for.
    long = "synthetic:street?size=64x96&frames=3000&train=2&val=2"
    rest = {
        "quantize": ["--frames", "6000", "--out", str(tmp_path / "q.etc")],
        "evaluate": ["--target", "onnxruntime", "--json", str(tmp_path / "results.json")],
    }[command]
    before = listing(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-m", "etc_edge.cli.main", command, str(bundle), "--data", long, *rest],
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith(("equalising", "evaluating")):
                break
        process.send_signal(number)
        begun = time.monotonic()
        rest_of_it = process.stderr.read()
        assert process.wait() == 1
    assert time.monotonic() - begun < 20
    assert rest_of_it.splitlines()[-1] == "interrupted"
    assert "Traceback" not in rest_of_it
    assert listing(tmp_path) == before
