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
