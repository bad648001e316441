"""The resumable checkpoint: all that the next step depends on, in one file that is whole or absent."""

from __future__ import annotations

import pickle
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from etc_edge.core.atomic import atomic_file
from etc_edge.core.errors import CheckpointError

VERSION = 3
# What torch and our own unpacking raise on a file that is cut short or something else.
_UNREADABLE = (
    pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError, TypeError, AttributeError,
)  # fmt: skip


@dataclass(frozen=True)
class Snapshot:
    """A run after `iteration` steps.

    Args:
        iteration: steps done; with the seed it gives the place inside the epoch and every later sample.
        recipe: the recipe as JSON, to refuse a resumption with another one.
        network, optimizer: their state dicts.
        average: state dict of the moving average, or None.
        terms: state dict of those terms of the loss that learn.
        watched: what was found on frames kept out of training so far; see Watch.
        chosen: state dict of the weights that were best there, or None.
        generators: states of torch's, numpy's and Python's global generators.
    """

    iteration: int
    recipe: str
    network: dict[str, Any]
    optimizer: dict[str, Any]
    average: dict[str, Any] | None
    terms: dict[str, Any]
    watched: dict[str, Any]
    chosen: dict[str, Any] | None
    generators: dict[str, Any]


def save_snapshot(snapshot: Snapshot, path: Path) -> None:
    """Write a snapshot, replacing the one before only when it is whole."""
    with atomic_file(path) as temporary:
        torch.save({"version": VERSION, **vars(snapshot)}, temporary)


def load_snapshot(path: Path) -> Snapshot:
    """Read a snapshot.

    Raises:
        CheckpointError: no such file, or not one of ours.
    """
    if not path.is_file():
        raise CheckpointError(f"Found no run to resume at {path}.", "Start it without --resume.")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        if content.pop("version") != VERSION:
            raise ValueError("another version")
        return Snapshot(**content)
    except _UNREADABLE as error:
        raise CheckpointError(
            f"Found {path}, which is no checkpoint of a training run.", "Start anew with another --out."
        ) from error


def generator_states() -> dict[str, Any]:
    """States of the global generators as tensors and plain values."""
    name, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)  # noqa: NPY002
    version, internal, next_gauss = random.getstate()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": [str(name), torch.from_numpy(np.asarray(keys).astype(np.int64)), position, has_gauss, gauss],
        "python": [version, list(internal), next_gauss],
    }


def restore_generators(states: dict[str, Any]) -> None:
    """The reverse of `generator_states`."""
    torch.set_rng_state(states["torch"])
    if states["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(states["cuda"])
    name, keys, position, has_gauss, gauss = states["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), position, has_gauss, gauss))  # noqa: NPY002
    version, internal, next_gauss = states["python"]
    random.setstate((version, tuple(internal), next_gauss))
