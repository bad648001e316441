"""Finished weights come back as they went, to half precision."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from etc_edge.core.errors import CheckpointError
from etc_edge.core.labels import LabelSet
from etc_edge.core.preprocessing import Preprocessing
from etc_edge.models.released import Released, load_released, read_metadata, save_released
from etc_edge.models.table import build_network

LABELS = LabelSet(("road", "sky", "car"), ((1, 2, 3), (4, 5, 6), (7, 8, 9)))
PREPROCESSING = Preprocessing((72, 96), (10.0, 20.0, 30.0), (1.0, 2.0, 3.0), "bgr")


def released(network_name: str = "street_small") -> Released:
    torch.manual_seed(0)
    return Released(network_name, build_network(network_name, 3), LABELS, PREPROCESSING, {"data": "a street"})


def test_round_trip(tmp_path: Path) -> None:
    original = released()
    save_released(original, tmp_path / "a.safetensors")
    read = load_released(tmp_path / "a.safetensors")
    assert (read.name, read.labels, read.preprocessing, read.notes) == (
        "street_small", LABELS, PREPROCESSING, {"data": "a street"},
    )  # fmt: skip
    assert not read.network.training
    own = original.network.state_dict()
    for key, value in read.network.state_dict().items():
        assert not key.startswith("aux.")
        assert value.dtype != torch.float16
        if not key.endswith("num_batches_tracked"):
            torch.testing.assert_close(value, own[key].half().float())


def test_the_same_weights_are_the_same_bytes(tmp_path: Path) -> None:
    contents = set()
    for _ in range(4):
        save_released(released(), tmp_path / "a.safetensors")
        contents.add((tmp_path / "a.safetensors").read_bytes())
    assert len(contents) == 1


def test_half_the_bytes(tmp_path: Path) -> None:
    save_released(released(), tmp_path / "a.safetensors")
    assert (tmp_path / "a.safetensors").stat().st_size < 1_000_000


def test_values_beyond_half_precision_are_refused(tmp_path: Path) -> None:
    large = released()
    next(large.network.parameters()).data[0, 0, 0, 0] = 1e6
    with pytest.raises(CheckpointError, match="float16"):
        save_released(large, tmp_path / "a.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_foreign_safetensors_are_refused_by_their_metadata(tmp_path: Path) -> None:
    save_file({"weight": torch.ones(2)}, str(tmp_path / "b.safetensors"))
    assert read_metadata(tmp_path / "b.safetensors") == {}
    with pytest.raises(CheckpointError, match="without the metadata"):
        load_released(tmp_path / "b.safetensors")


def test_a_changed_network_is_refused(tmp_path: Path) -> None:
    save_released(released(), tmp_path / "a.safetensors")
    metadata = read_metadata(tmp_path / "a.safetensors") | {"network": "pspnet18"}
    save_file({"weight": torch.ones(2)}, str(tmp_path / "c.safetensors"), metadata)
    with pytest.raises(CheckpointError, match="do not fit"):
        load_released(tmp_path / "c.safetensors")
