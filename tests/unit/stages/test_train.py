"""A whole training run: killed, interrupted, resumed, refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml

from etc_edge.core.errors import CheckpointError, EtcEdgeError, RecipeError, TrainingError
from etc_edge.models.checkpoint import read_state
from etc_edge.models.released import load_released
from etc_edge.stages.train import train
from tests.tiny_bundle import write_tiny_bundle

RECIPE = {
    "network": "street_small",
    "input_size_hw": [64, 96],
    "data": {"path": "synthetic:street?size=64x96&frames=3&train=4&truth=no", "holdout": 0.2, "holdout_blocks": 1},
    "augmentation": {"crop_hw": [48, 64], "jitter": 0.2},
    "schedule": {"epochs": 3, "batch_size": 4},
    "optimizer": {"lr": 0.02},
    "ema_decay": 0.9,
    "workers": 0,
    "checkpoint_every_s": 0,
}
ITERATIONS = 6  # 12 frames, 2 of them held out, 4 a batch: 2 iterations an epoch


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    return write(tmp_path / "recipe.yaml")


def write(path: Path, **changes: object) -> Path:
    path.write_text(yaml.safe_dump(RECIPE | changes), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("uninterrupted")
    result = train(write(folder / "recipe.yaml"), folder / "run")
    assert result.iterations == ITERATIONS
    return folder / "run"


def start(recipe: Path, out: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "etc_edge.cli.main", "train", str(recipe), "--out", str(out), *more]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "2"})


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    while not path.exists():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)


def assert_same_weights(first: Path, second: Path) -> None:
    one, other = (read_state(folder / "model.safetensors") for folder in (first, second))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)
    states = [torch.load(folder / "checkpoint.pt", weights_only=True) for folder in (first, second)]
    for part in ("network", "average"):
        assert all(torch.equal(value, states[1][part][key]) for key, value in states[0][part].items())


def test_a_run_leaves_weights_recipe_and_metrics(uninterrupted: Path) -> None:
    released = load_released(uninterrupted / "model.safetensors")
    assert released.name == "street_small"
    assert released.preprocessing.size_hw == (64, 96)
    assert "road" in released.labels.names
    lines = [json.loads(line) for line in (uninterrupted / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["epoch"] for line in lines] == [1.0, 2.0, 3.0]
    assert all({"loss", "lr", "miou", "loss/cross_entropy"} <= line.keys() for line in lines)
    assert yaml.safe_load((uninterrupted / "recipe.yaml").read_text(encoding="utf-8"))["network"] == "street_small"


def test_killed_and_resumed_is_bit_for_bit_the_same(uninterrupted: Path, recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    process = start(recipe, out)
    wait_for(out / "checkpoint.pt", process)
    process.kill()
    process.communicate()
    iteration = torch.load(out / "checkpoint.pt", weights_only=True)["iteration"]
    assert not (out / "model.safetensors").exists()
    assert 1 <= iteration < ITERATIONS
    result = train(recipe, out, resume=True)
    assert result.iterations == ITERATIONS
    assert_same_weights(uninterrupted, out)
    mious = [
        [json.loads(line).get("miou") for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
        for folder in (uninterrupted, out)
    ]
    assert mious[0] == mious[1]


def test_ctrl_c_writes_a_checkpoint_and_one_line(uninterrupted: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    recipe = write(tmp_path / "recipe.yaml", workers=1)
    process = start(recipe, out)
    wait_for(out / "checkpoint.pt", process)
    process.send_signal(signal.SIGINT)
    errors = process.communicate()[1]
    assert process.returncode == 1
    assert "Traceback" not in errors
    assert "Stopped on request after iteration" in errors
    assert "--resume" in errors
    assert list(out.glob(".*")) == [], "nothing half-written stays"
    train(recipe, out, resume=True)
    assert_same_weights(uninterrupted, out)


def test_a_finished_run_is_not_overwritten_and_may_be_resumed(uninterrupted: Path, tmp_path: Path) -> None:
    recipe = write(tmp_path / "recipe.yaml")
    before = (uninterrupted / "model.safetensors").read_bytes()
    with pytest.raises(TrainingError, match=r"a run in .* already"):
        train(recipe, uninterrupted)
    assert train(recipe, uninterrupted, resume=True).iterations == ITERATIONS
    assert (uninterrupted / "model.safetensors").read_bytes() == before


def test_another_recipe_is_refused(uninterrupted: Path, tmp_path: Path) -> None:
    before = (uninterrupted / "recipe.yaml").read_bytes()
    recipe = write(tmp_path / "recipe.yaml", seed=5)
    with pytest.raises(RecipeError, match="another recipe"):
        train(recipe, uninterrupted, resume=True)
    assert (uninterrupted / "recipe.yaml").read_bytes() == before


def test_a_run_may_start_from_another_s_weights(uninterrupted: Path, tmp_path: Path) -> None:
    recipe = write(tmp_path / "recipe.yaml", optimizer={"lr": 1e-12}, schedule={"epochs": 1, "batch_size": 4})
    result = train(recipe, tmp_path / "run", start=uninterrupted / "model.safetensors")
    first, after = (read_state(path) for path in (uninterrupted / "model.safetensors", result.weights))
    weight = "backbone.features.0.0.weight"
    torch.testing.assert_close(after[weight], first[weight])
    with pytest.raises(CheckpointError, match="do not fit"):
        train(write(tmp_path / "other.yaml", network="espnet"), tmp_path / "other", start=result.weights)


def test_nothing_to_resume(recipe: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no run to resume"):
        train(recipe, tmp_path / "none", resume=True)
    assert not (tmp_path / "none").exists()


def test_a_loss_that_explodes_ends_the_run(tmp_path: Path) -> None:
    recipe = write(tmp_path / "recipe.yaml", optimizer={"lr": 1e30}, ema_decay=None)
    with pytest.raises(TrainingError, match="Found a loss of"):
        train(recipe, tmp_path / "run")
    assert not (tmp_path / "run" / "model.safetensors").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network": "pspnet81"}, "Did you mean 'pspnet18'"),
        ({"data": {"path": None}}, "no data to train on"),
        ({"data": {"path": "nowhere"}}, "no data set at nowhere"),
        ({"schedule": {"batch_size": 400}}, "expected at least a batch of 400"),
        ({"pretrained": "nowhere.pth"}, "no checkpoint at nowhere.pth"),
    ],
)
def test_what_is_missing_is_named_before_anything_is_written(
    changes: dict[str, object], message: str, tmp_path: Path
) -> None:
    recipe = write(tmp_path / "recipe.yaml", **changes)
    network = {"network": "pspnet_mobilenetv2"} if "pretrained" in changes else {}
    if network:
        recipe = write(tmp_path / "recipe.yaml", **changes, **network)
    with pytest.raises(EtcEdgeError) as raised:
        train(recipe, tmp_path / "run")
    assert message in str(raised.value)
    assert not (tmp_path / "run").exists()


ALL_TERMS = {
    "pairs": {"source": "stills", "frames": 3},
    "losses": [
        {"name": "cross_entropy"},
        {"name": "temporal", "form": "logits", "weight": 0.1},
        {"name": "single_frame"},
        {"name": "pairwise", "cells_hw": [3, 4]},
        {"name": "multi_frame", "cells_hw": [2, 2]},
    ],
}


def taught_by(weights: Path, **more: object) -> dict[str, object]:
    return ALL_TERMS | {"teacher": {"path": str(weights), **more}}


@pytest.mark.parametrize("cached", [True, False])
def test_every_term_at_once_killed_and_resumed(uninterrupted: Path, tmp_path: Path, cached: bool) -> None:
    recipe = write(tmp_path / "recipe.yaml", **taught_by(uninterrupted / "model.safetensors", cached=cached))
    whole, out = tmp_path / "whole", tmp_path / "run"
    train(recipe, whole)
    process = start(recipe, out)
    wait_for(out / "checkpoint.pt", process)
    process.kill()
    process.communicate()
    train(recipe, out, resume=True)
    assert_same_weights(whole, out)
    terms = [torch.load(folder / "checkpoint.pt", weights_only=True)["terms"] for folder in (whole, out)]
    assert terms[0], "the ConvLSTM is kept"
    assert all(torch.equal(value, terms[1][key]) for key, value in terms[0].items())
    last = json.loads((whole / "metrics.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    assert {f"loss/{term['name']}" for term in ALL_TERMS["losses"]} <= last.keys()  # type: ignore[index]
    assert {"miou", "tc"} <= last.keys()


def test_dense_pairs_of_the_street_with_exact_flow(tmp_path: Path) -> None:
    changes = {
        "data": {"path": "synthetic:street?size=64x96&frames=3&train=4", "holdout": 0},
        "pairs": {"source": "dense", "gap": 1, "flow": "exact"},
        "losses": [{"name": "cross_entropy"}, {"name": "temporal"}],
    }
    # The last frame of each clip has no next one: it has to go without a label.
    with pytest.raises(RecipeError, match="without a next frame"):
        train(write(tmp_path / "recipe.yaml", **changes), tmp_path / "run")
    data = {"path": "synthetic:street?size=64x96&frames=4&labelled=3&train=4", "holdout": 0}
    assert train(write(tmp_path / "exact.yaml", **changes | {"data": data}), tmp_path / "run").weights.is_file()
    estimated = changes | {"pairs": {"source": "dense", "gap": 1, "flow": "dis-fast", "store": str(tmp_path / "flow")}}
    result = train(write(tmp_path / "other.yaml", **estimated), tmp_path / "other")
    assert result.weights.is_file()
    assert any((tmp_path / "flow").rglob("*.npz"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"losses": [{"name": "temporal"}]}, "temporal, which needs a second frame"),
        ({"losses": [{"name": "single_frame"}]}, "single_frame, which needs a teacher"),
        ({"teacher": {"path": "nowhere.safetensors"}}, "no teacher at nowhere.safetensors"),
        ({"schedule": {"batch_size": 4, "accumulate": 3}}, "expected a multiple of 3"),
        ({"pairs": {"source": "dense", "flow": "dis-medum"}}, "optical flow"),
    ],
)
def test_what_the_losses_lack_is_named_before_anything_is_written(
    changes: dict[str, object], message: str, tmp_path: Path
) -> None:
    with pytest.raises(EtcEdgeError) as raised:
        train(write(tmp_path / "recipe.yaml", **changes), tmp_path / "run")
    assert message in str(raised.value)
    assert not (tmp_path / "run").exists()


def test_a_teacher_with_other_classes(tmp_path: Path) -> None:
    bundle = write_tiny_bundle(tmp_path / "colors.etc")
    changes = {"losses": [{"name": "single_frame"}], "teacher": {"path": str(bundle.path)}}
    with pytest.raises(RecipeError, match="with the classes red, green, blue"):
        train(write(tmp_path / "recipe.yaml", **changes), tmp_path / "run")
    with pytest.raises(RecipeError, match="for a recipe without one"):
        train(write(tmp_path / "plain.yaml"), tmp_path / "run", teacher=bundle.path)
