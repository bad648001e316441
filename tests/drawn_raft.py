"""Weights for RAFT that are drawn at random, and a file of them as its authors write one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from etc_edge.flow.raft.network import Raft


def drawn_state() -> dict[str, Tensor]:
    """The same values on every machine, of a size that neither fades nor explodes."""
    rng = np.random.default_rng(7)
    state: dict[str, Tensor] = {}
    for key, value in Raft().state_dict().items():
        shape = tuple(value.shape)
        if key.endswith("num_batches_tracked"):
            state[key] = torch.tensor(0)
            continue
        inputs = int(np.prod(shape[1:])) if len(shape) > 1 else 16
        values = (rng.random(shape) * 2 - 1) * (3 / inputs) ** 0.5
        if key.endswith("running_var") or (len(shape) == 1 and key.endswith("weight")):
            values = 1 + values / 2
        state[key] = torch.from_numpy(np.asarray(values)).float()
    shared = {key.replace("norm3", "downsample.1"): value for key, value in state.items() if ".norm3." in key}
    return state | shared


def save_weights(path: Path) -> Path:
    """Write them with the prefix that the authors' files have."""
    torch.save({f"module.{key}": value for key, value in drawn_state().items()}, path)
    return path
