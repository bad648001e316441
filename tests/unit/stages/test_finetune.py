"""Fine-tuned bundles: the same graph with trained tensors, killed and resumed, without labels, by two processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import yaml
from onnx import numpy_helper

from etc_edge.cli.main import run
from etc_edge.core.bundle import Bundle
from etc_edge.core.errors import (
    BundleError,
    CalibrationError,
    CheckpointError,
    EtcEdgeError,
    RecipeError,
    TrainingError,
)
from etc_edge.core.recipe import parse_recipe
from etc_edge.graph.qdq import pairs
from etc_edge.graph.view import GraphView
from etc_edge.stages.export import labels_of
from etc_edge.stages.finetune import finetune
from etc_edge.stages.quantize import quantize
from etc_edge.training.finetuning.recipe import FinetuneRecipe
from tests.moving_square import write_video
from tests.street_models import DATA, RECIPE, float_bundle, int8_bundle
from tests.unit.training.test_processes import finish, spawn

SETTINGS: dict[str, Any] = {
    "steps": 6,
    "batch_size": 2,
    "lr": 1e-4,
    "scale_lr": 3e-3,
    "warmup_steps": 2,
    "data": {"holdout": 0.3, "holdout_blocks": 1},
    "losses": [
        {"name": "single_frame", "direction": "teacher_student"},
        {"name": "pairwise", "cells_hw": [3, 4], "weight": 0.01},
        {"name": "temporal", "mask": "visible", "weight": 0.01},
    ],
    "examination": {"every_steps": 2, "metrics": ["agreement"]},
    "workers": 0,
    "checkpoint_every_s": 0,
}
LABELS = {"losses": [{"name": "cross_entropy", "frames": "all"}, {"name": "temporal", "mask": "visible"}]}


def recipe(**changes: Any) -> FinetuneRecipe:
    return parse_recipe(SETTINGS | changes, FinetuneRecipe, "test")


def write(path: Path, **changes: Any) -> Path:
    calibration = {"split": "train", "frames": 6}
    path.write_text(yaml.safe_dump({"calibration": calibration, "finetune": SETTINGS | changes}), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def floating(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return float_bundle(tmp_path_factory.mktemp("bundles"))


@pytest.fixture(scope="module")
def int8(floating: Bundle) -> Bundle:
    return int8_bundle(floating)


@pytest.fixture(scope="module")
def tuned(floating: Bundle, int8: Bundle) -> Bundle:
    report = finetune(int8.path, floating.path, int8.path.with_name("tuned.etc"), recipe(), DATA)
    assert report.steps == 6
    assert report.bundle is not None
    return report.bundle


def constants(bundle: Bundle) -> dict[str, np.ndarray[Any, Any]]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(bundle.model_path).graph.initializer}


def test_the_same_graph_with_other_constants(int8: Bundle, tuned: Bundle) -> None:
    before, after = (onnx.load(bundle.model_path) for bundle in (int8, tuned))
    assert before.graph.node == after.graph.node
    one, other = constants(int8), constants(tuned)
    assert {name: (value.shape, value.dtype) for name, value in one.items()} == {
        name: (value.shape, value.dtype) for name, value in other.items()
    }
    changed = {name for name in one if not np.array_equal(one[name], other[name])}
    assert any(name.endswith("_scale") for name in changed)
    assert any(one[name].dtype == np.int8 and one[name].ndim == 4 for name in changed), "codes of weights"


def test_what_the_bundle_says(floating: Bundle, int8: Bundle, tuned: Bundle) -> None:
    tuned.verify()
    assert (tuned.name, tuned.precision) == (int8.name, "int8")
    assert tuned.manifest.parents == [floating.hash, int8.hash]
    assert tuned.manifest.recipe["quantize"] == int8.manifest.recipe["quantize"]
    described = tuned.manifest.recipe["finetune"]
    assert described["data"] == {"dataset": "street", "split": "train", "frames": 4, "held_back": 2}
    found = tuned.manifest.results["finetune"]
    assert set(found["before"]) == set(found["after"]) == {"miou", "tc", "flicker", "agreement"}
    assert found["best_step"] in (2, 4, 6)
    assert found["seconds"] > 0
    assert found["after"]["agreement"] > found["before"]["agreement"]
    assert "agreement" not in found["reference"]
    selftest = tuned.selftest()
    assert np.array_equal(selftest.labels, labels_of(tuned.model_path.read_bytes(), selftest.frames))
    assert not tuned.path.with_name("tuned.finetuning").exists(), "nothing is left of the run"


def test_ranges_make_the_trained_grids(floating: Bundle, int8: Bundle, tuned: Bundle, tmp_path: Path) -> None:
    def grids(bundle: Bundle) -> dict[str, Any]:
        return {pair.tensor: pair.grid for pair in pairs(GraphView(onnx.load(bundle.model_path)))}

    assert grids(tuned) != grids(int8)
    again = quantize(floating.path, tmp_path / "again.etc", RECIPE, ranges=tuned.ranges_path).bundle
    assert grids(again) == grids(tuned)


def test_a_symmetric_graph_stays_symmetric(floating: Bundle, tmp_path: Path) -> None:
    signed = quantize(floating.path, tmp_path / "signed.etc", RECIPE, DATA, "torch_tensorrt").bundle
    done = finetune(signed.path, floating.path, tmp_path / "tuned.etc", recipe(steps=2), DATA).bundle
    assert done is not None
    again = quantize(
        floating.path, tmp_path / "again.etc", RECIPE, target="torch_tensorrt", ranges=done.ranges_path
    ).bundle
    one, other = (
        {pair.tensor: pair.grid for pair in pairs(GraphView(onnx.load(bundle.model_path)))} for bundle in (done, again)
    )
    assert one == other
    assert all(not grid.unsigned and grid.zero_point == 0 for grid in one.values())


def test_grids_of_each_tensor_stay_of_their_kind(floating: Bundle, tmp_path: Path) -> None:
    signed = quantize(floating.path, tmp_path / "signed.etc", RECIPE, DATA, "tensorrt").bundle
    done = finetune(signed.path, floating.path, tmp_path / "tuned.etc", recipe(steps=2), DATA).bundle
    assert done is not None
    again = quantize(floating.path, tmp_path / "again.etc", RECIPE, target="tensorrt", ranges=done.ranges_path).bundle
    one, other = (
        {pair.tensor: pair.grid for pair in pairs(GraphView(onnx.load(bundle.model_path)))} for bundle in (done, again)
    )
    assert one == other
    before = {pair.tensor: pair.grid for pair in pairs(GraphView(onnx.load(signed.model_path)))}
    assert {name: grid.unsigned for name, grid in one.items()} == {n: grid.unsigned for n, grid in before.items()}
    assert {grid.unsigned for grid in one.values()} == {False, True}


def test_it_comes_nearer_to_the_float_network(floating: Bundle, tmp_path: Path) -> None:
    """From a careless calibration on one frame, without labels."""
    careless = RECIPE.__class__(observer="minmax", equalize=False, calibration=RECIPE.calibration)
    start = quantize(floating.path, tmp_path / "q.etc", careless, DATA).bundle
    settings = recipe(steps=16, losses=SETTINGS["losses"][:1])
    report = finetune(start.path, floating.path, tmp_path / "tuned.etc", settings, DATA)
    assert report.best_step > 0
    assert report.after["agreement"] > report.before["agreement"]


def test_with_labels(floating: Bundle, int8: Bundle, tmp_path: Path) -> None:
    report = finetune(int8.path, floating.path, tmp_path / "tuned.etc", recipe(**LABELS, examination={}), DATA)
    assert report.after["miou"] + report.after["tc"] >= report.before["miou"] + report.before["tc"]


def test_along_estimated_flow_and_in_parts(floating: Bundle, int8: Bundle, tmp_path: Path) -> None:
    dense = recipe(steps=2, accumulate=2, pairs={"source": "dense", "gap": 1, "flow": "dis-fast"})
    assert finetune(int8.path, floating.path, tmp_path / "tuned.etc", dense, DATA).steps == 2


def test_a_video_is_all_that_is_needed(floating: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Calibrated and fine-tuned on it, along estimated flow, by the command with its shipped recipe's terms."""
    video = write_video(tmp_path / "drive.mp4", 14)
    settings = write(tmp_path / "recipe.yaml", steps=2, pairs={"source": "dense", "gap": 1}, examination={})
    out = tmp_path / "tuned.etc"
    assert run(["quantize", str(floating.path), str(settings), "--data", str(video), "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "on frames held back from training:   FP32 calibrated fine-tuned" in said
    assert "agreement" in said
    assert "miou" not in said
    data = Bundle.open(out).manifest.recipe["finetune"]["data"]
    assert data == {"dataset": "drive", "split": "train", "frames": 10, "held_back": 4}


def test_frames_that_are_kept_out(floating: Bundle, int8: Bundle, tmp_path: Path) -> None:
    kept_out = frozenset((f"street-{1_000_000}", index) for index in range(3))
    report = finetune(int8.path, floating.path, tmp_path / "t.etc", recipe(steps=1), DATA, keep_out=kept_out)
    assert report.bundle is not None
    assert report.bundle.manifest.recipe["finetune"]["data"]["frames"] == 2, "three frames are left, one is held back"


def start(floating: Bundle, settings: Path, out: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "etc_edge.cli.main", "quantize", str(floating.path), str(settings)]
    return subprocess.Popen(
        [*command, "--data", DATA, "--out", str(out)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "2"},
    )


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    while not path.exists():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)


@pytest.fixture(scope="module")
def uninterrupted(floating: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("uninterrupted")
    command = ["quantize", str(floating.path), str(write(folder / "recipe.yaml", steps=8)), "--data", DATA]
    assert run([*command, "--out", str(folder / "whole.etc")]) == 0
    return Bundle.open(folder / "whole.etc")


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT], ids=["killed", "Ctrl-C"])
def test_ended_and_resumed_gives_the_same_file(
    floating: Bundle, uninterrupted: Bundle, tmp_path: Path, sent: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    settings, out = write(tmp_path / "recipe.yaml", steps=8), tmp_path / "cut.etc"
    command = ["quantize", str(floating.path), str(settings), "--data", DATA]
    process = start(floating, settings, out)
    wait_for(tmp_path / "cut.finetuning" / "checkpoint.pt", process)
    process.send_signal(sent)
    said = process.communicate()[1]
    assert not out.exists()
    if sent == signal.SIGINT:
        assert "Stopped on request" in said
        assert "Traceback" not in said
    assert run([*command, "--out", str(out)]) == 1
    assert "Found a run in" in capsys.readouterr().err
    other = write(tmp_path / "other.yaml", steps=13)
    assert run([*command[:2], str(other), *command[3:], "--out", str(out), "--resume"]) == 1
    assert "another recipe" in capsys.readouterr().err
    assert run([*command, "--out", str(out), "--observer", "minmax", "--resume"]) == 1
    assert "another bundle, calibration or target" in capsys.readouterr().err
    assert run([*command, "--out", str(out), "--resume"]) == 0
    assert Bundle.open(out).manifest.files == uninterrupted.manifest.files
    assert "seconds" not in Bundle.open(out).manifest.results["finetune"], "nobody timed the part before"
    assert not (tmp_path / "cut.finetuning").exists()


def test_two_processes_give_what_one_does(floating: Bundle, tmp_path: Path) -> None:
    """But for the order of sums: scales to a hundredth of what they moved, and the steps and the choice the same."""
    settings = write(tmp_path / "recipe.yaml", steps=3, ema_decay=None)
    bundles = []
    for count in (1, 2):
        out = tmp_path / f"{count}.etc"
        command = [sys.executable, "-m", "etc_edge.cli.main", "quantize", str(floating.path), str(settings)]
        ended = finish(spawn([*command, "--data", DATA, "--out", str(out)], count))
        assert [code for code, _ in ended] == [0] * count, ended
        bundles.append(Bundle.open(out))
    start = constants(quantize(floating.path, tmp_path / "start.etc", RECIPE, DATA).bundle)
    one, two = (constants(bundle) for bundle in bundles)
    scales = [name for name in start if name.endswith("_scale")]
    moved = sum(float(np.square(np.log(one[name] / start[name])).sum()) for name in scales)
    apart = sum(float(np.square(np.log(one[name] / two[name])).sum()) for name in scales)
    assert moved > 0
    assert apart < 1e-2 * moved
    assert bundles[0].manifest.results["finetune"]["best_step"] == bundles[1].manifest.results["finetune"]["best_step"]


def refused(folder: Path, int8: Path, reference: Path, **changes: Any) -> EtcEdgeError:
    given: dict[str, Any] = {"recipe": recipe(), "data": DATA, **changes}
    with pytest.raises(EtcEdgeError) as error:
        finetune(int8, reference, folder / "t.etc", given.pop("recipe"), **given)
    assert list(folder.iterdir()) == [], "nothing is left"
    return error.value


@pytest.mark.parametrize(
    ("changes", "kind", "says"),
    [
        ({"data": None}, RecipeError, "Found no data to fine-tune on"),
        ({"data": "nowhere"}, EtcEdgeError, "no data set at nowhere"),
        ({"resume": True}, CheckpointError, "Found no run to resume"),
        ({"recipe": recipe(examination={"metrics": ["miou"]})}, RecipeError, "the metric miou for fine-tuning without"),
        ({"recipe": recipe(pairs=None)}, RecipeError, "the loss pairwise, which needs a second frame"),
        ({"recipe": recipe(batch_size=50)}, TrainingError, "expected at least a batch of 50"),
        (
            {"keep_out": frozenset((f"street-{1_000_000 + clip}", index) for clip in range(2) for index in range(3))},
            EtcEdgeError,
            "but those that are kept out",
        ),
    ],
)
def test_what_is_refused_leaves_nothing(
    floating: Bundle, int8: Bundle, tmp_path: Path, changes: dict[str, Any], kind: type[EtcEdgeError], says: str
) -> None:
    error = refused(tmp_path, int8.path, floating.path, **changes)
    assert isinstance(error, kind)
    assert says in error.message


def test_bundles_that_do_not_belong_together(floating: Bundle, int8: Bundle, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    stranger = float_bundle(tmp_path / "other", "add", "stranger")
    (tmp_path / "out").mkdir()
    error = refused(tmp_path / "out", int8.path, stranger.path)
    assert isinstance(error, CalibrationError)
    assert "were made for graph" in error.message
    assert isinstance(refused(tmp_path / "out", floating.path, floating.path), BundleError)


def test_resume_is_for_fine_tuning(floating: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["quantize", str(floating.path), "--data", DATA, "--out", str(tmp_path / "q.etc"), "--resume"]
    assert run(arguments) == 2
    assert "expected --finetune too" in capsys.readouterr().err
