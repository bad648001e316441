"""The resumable checkpoint."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch

from etc_edge.core.errors import CheckpointError
from etc_edge.training.snapshot import (
    Snapshot,
    generator_states,
    load_snapshot,
    restore_generators,
    save_snapshot,
)


def draws() -> tuple[float, float, float]:
    return float(torch.rand(())), float(np.random.rand()), random.random()  # noqa: NPY002


def test_generators_go_on_where_they_were(tmp_path: Path) -> None:
    draws()
    snapshot = Snapshot(7, "{}", {"w": torch.ones(2)}, {}, None, {}, {"last": {"miou": 0.5}}, None, generator_states())
    save_snapshot(snapshot, tmp_path / "a.pt")
    expected = draws()
    draws()
    read = load_snapshot(tmp_path / "a.pt")
    restore_generators(read.generators)
    assert draws() == expected
    assert (read.iteration, read.watched) == (7, {"last": {"miou": 0.5}})


def test_missing_damaged_and_foreign_files(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no run to resume"):
        load_snapshot(tmp_path / "none.pt")
    (tmp_path / "cut.pt").write_bytes(b"PK\x03\x04")
    torch.save({"state_dict": {}}, tmp_path / "foreign.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    for name in ("cut.pt", "foreign.pt", "list.pt"):
        with pytest.raises(CheckpointError, match="no checkpoint of a training run"):
            load_snapshot(tmp_path / name)
