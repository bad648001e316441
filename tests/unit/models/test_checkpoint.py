"""Checkpoints of the authors' forms, and what is refused."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from torch import Tensor

from etc_edge.core.errors import CheckpointError
from etc_edge.models.checkpoint import class_count, load_checkpoint, load_state, read_state
from etc_edge.models.table import build_network

CLASSES = 4


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    torch.manual_seed(1)
    return build_network("pspnet18", CLASSES).state_dict()


def assert_loaded(state: dict[str, Tensor], path: Path) -> None:
    network = build_network("pspnet18", CLASSES)
    load_checkpoint(network, path)
    for key, value in network.state_dict().items():
        torch.testing.assert_close(value, state[key], rtol=0, atol=0)


def test_flat_file(state: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save(state, tmp_path / "flat.pth")
    assert_loaded(state, tmp_path / "flat.pth")


def test_training_file_of_the_authors(state: dict[str, Tensor], tmp_path: Path) -> None:
    extra = {
        "module.flownet.conv.weight": torch.ones(2),
        "module.teacher.layer0.0.weight": torch.ones(2),
        "criterion.weight": torch.ones(19),
        "module.convlstm.cell.weight": torch.ones(3),
    }
    content = {
        "epoch": 200,
        "state_dict": {f"module.student.{key}": value for key, value in state.items()} | extra,
        "optimizer": {"state": {}, "param_groups": [{"lr": 0.01}]},
    }
    torch.save(content, tmp_path / "train.pth")
    network = build_network("pspnet18", CLASSES)
    coverage = load_checkpoint(network, tmp_path / "train.pth")
    assert set(coverage.dropped) == set(extra)
    assert coverage.missing == coverage.unexpected == ()
    assert set(coverage.loaded) == set(state)


def test_auxiliary_head_and_counters_may_be_missing(state: dict[str, Tensor]) -> None:
    bare = {k: v for k, v in state.items() if not k.startswith("aux.") and not k.endswith("num_batches_tracked")}
    coverage = load_state(build_network("pspnet18", CLASSES), bare, "file")
    assert set(coverage.missing) == set(state) - set(bare)


def test_an_auxiliary_head_that_the_network_lacks_is_reported_and_ignored(state: dict[str, Tensor]) -> None:
    coverage = load_state(build_network("pspnet18", CLASSES, auxiliary=False), state, "file")
    assert set(coverage.unexpected) == {key for key in state if key.startswith("aux.")}


def test_every_missing_and_unexpected_key_is_counted(state: dict[str, Tensor]) -> None:
    broken = dict(state)
    del broken["layer4.1.conv2.weight"], broken["cls.4.bias"]
    broken["layer9.weight"] = torch.ones(1)
    network = build_network("pspnet18", CLASSES)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with pytest.raises(CheckpointError) as raised:
        load_state(network, broken, "file")
    message = raised.value.message
    assert "2 of" in message
    assert all(key in message for key in ("layer4.1.conv2.weight", "cls.4.bias", "layer9.weight"))
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_other_classes_are_refused_by_shape(state: dict[str, Tensor]) -> None:
    with pytest.raises(CheckpointError, match=r"cls\.4\.weight \(4, 256, 1, 1\) for \(7, 256, 1, 1\)"):
        load_state(build_network("pspnet18", 7), state, "file")


def test_class_count(state: dict[str, Tensor]) -> None:
    assert class_count({f"module.{key}": value for key, value in state.items()}) == CLASSES
    assert class_count(build_network("pspnet_mobilenetv2", 6).state_dict()) == 6
    assert class_count(build_network("espnet", 8).state_dict()) == 8
    assert class_count(build_network("hrnet_w18_small_v1", 7).state_dict()) == 7
    assert class_count({"x": torch.ones(1)}) is None


class Harmful:
    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (Path("harm-was-done"),)


def test_code_in_a_pickle_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with (tmp_path / "harm.pth").open("wb") as file:
        pickle.dump({"state_dict": Harmful()}, file, protocol=2)
    with pytest.raises(CheckpointError):
        read_state(tmp_path / "harm.pth")
    assert not (tmp_path / "harm-was-done").exists()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_damaged_and_missing_files(suffix: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="Found no checkpoint"):
        read_state(tmp_path / f"none{suffix}")
    damaged = tmp_path / f"damaged{suffix}"
    damaged.write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(CheckpointError, match="damaged"):
        read_state(damaged)


def test_a_truncated_file(state: dict[str, Tensor], tmp_path: Path) -> None:
    path = tmp_path / "whole.pth"
    torch.save({"weight": torch.ones(1000)}, path)
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(CheckpointError):
        read_state(path)


def test_a_file_without_weights(tmp_path: Path) -> None:
    torch.save({"epoch": 3}, tmp_path / "empty.pth")
    with pytest.raises(CheckpointError, match="no weights"):
        read_state(tmp_path / "empty.pth")
