"""The RAFT authors' checkpoints, read whole or refused."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from etc_edge.core.errors import CheckpointError
from etc_edge.flow.raft.network import Raft

PREFIX = "module."
HINT = "Give weights of RAFT's large model in its authors' form, such as raft-things.pth."
_LISTED = 8


def load_raft(path: Path) -> Raft:
    """The network with a file's weights, in evaluation mode and without gradients.

    Only tensors and plain values are read from the file: no code of it runs.

    Raises:
        CheckpointError: no such file, no file of weights, or weights that do not cover the network exactly; every
            missing, unexpected and misshapen key is counted and the first ones are named.
    """
    network = Raft()
    given = {key.removeprefix(PREFIX): value for key, value in _read(path).items()}
    complaints = _complaints(network.state_dict(), given)
    if complaints:
        raise CheckpointError(f"Found weights in {path} that do not fit RAFT: {'; '.join(complaints)}.", HINT)
    network.load_state_dict(given)
    return network.eval().requires_grad_(False)


def _read(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise CheckpointError(f"Found no weights of RAFT at {path}.", HINT)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        # torch's own words would send the reader to load the file without its protection.
        raise CheckpointError(f"Found {path}, which is no file of plain weights.", HINT) from error
    if not isinstance(content, Mapping):
        raise CheckpointError(f"Found a {type(content).__name__} in {path}, expected a state_dict.", HINT)
    return {str(key): value for key, value in content.items() if isinstance(value, Tensor)}


def _complaints(wanted: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> list[str]:
    missing = [key for key in wanted if key not in given]
    unexpected = [key for key in given if key not in wanted]
    misshapen = [
        f"{key} {tuple(given[key].shape)} for {tuple(tensor.shape)}"
        for key, tensor in wanted.items()
        if key in given and given[key].shape != tensor.shape
    ]
    found = []
    if missing:
        found.append(f"{len(missing)} of {len(wanted)} keys missing ({_some(missing)})")
    if unexpected:
        found.append(f"{len(unexpected)} unexpected ({_some(unexpected)})")
    if misshapen:
        found.append(f"{len(misshapen)} of another shape ({_some(misshapen)})")
    return found


def _some(items: Iterable[str]) -> str:
    listed = list(items)
    return ", ".join(listed[:_LISTED]) + (f", and {len(listed) - _LISTED} more" if len(listed) > _LISTED else "")
