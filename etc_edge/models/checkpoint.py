"""Weights read into a network, with a word for every key that does not fit."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from etc_edge.core.errors import CheckpointError

# What the ETC authors' files hold beside the network: the flow network, the teacher, discriminators and
# criteria of training, and the recurrent cell of the multi-frame loss.
FOREIGN_PARTS = ("flow", "teacher", "criterion", "convlstm", "conv_lstm")
# Wrappers of distributed training, of the ETC authors' trainer and of HRNet's.
PREFIXES = ("module.", "student.", "model.")
# What a network's classifier is called; the last of its biases has one value a class.
CLASSIFIERS = ("cls.", "last_layer.")
_LISTED = 8


@dataclass(frozen=True)
class Coverage:
    """How a file's keys met a network's.

    Args:
        loaded: keys that were read.
        missing: keys of the network that the file lacks (only those that may be missing, after a load that passed).
        unexpected: keys of the file that the network does not have.
        dropped: keys of parts that belong to training (flow, teacher, criterion, ConvLSTM).
    """

    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    dropped: tuple[str, ...]


def read_state(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a `.pth` file (flat, or under `state_dict`) or of a `.safetensors` file.

    Pickled files are read with `weights_only=True`: they can hold tensors and plain values, but run no code.

    Raises:
        CheckpointError: no such file, or no file of weights.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"Found no checkpoint at {path}.")
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"Found {path}, which is no file of plain weights: {_first_line(error)}",
            "Only tensors and plain values are read; save a state_dict, not a whole model.",
        ) from error
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    tensors = (
        {str(key): value for key, value in content.items() if isinstance(value, Tensor)}
        if isinstance(content, Mapping)
        else {}
    )
    if not tensors:
        raise CheckpointError(f"Found no weights in {path}, expected a state_dict, flat or under 'state_dict'.")
    return tensors


def load_checkpoint(network: nn.Module, path: Path) -> Coverage:
    """Read a file of weights into a network that it must cover fully.

    Raises:
        CheckpointError: as `read_state` and `load_state`.
    """
    return load_state(network, read_state(path), str(path))


def load_state(network: nn.Module, state: Mapping[str, Tensor], where: str) -> Coverage:
    """Copy tensors into a network.

    Prefixes `module.`, `student.` and `model.` are taken off; parts that belong to training are dropped; the auxiliary
    head (`aux.`) and `num_batches_tracked` may be missing. Nothing is copied unless everything fits.

    Raises:
        CheckpointError: a key or a shape does not fit; every missing and unexpected key is counted and the
            first ones are named.
    """
    dropped = tuple(key for key in state if any(part in key.lower() for part in FOREIGN_PARTS))
    given = {_bare(key): value for key, value in state.items() if key not in set(dropped)}
    wanted = network.state_dict()
    missing = tuple(key for key in wanted if key not in given)
    unexpected = tuple(key for key in given if key not in wanted and not _may_be_missing(key))
    wrong = tuple(key for key in wanted if key in given and wanted[key].shape != given[key].shape)
    refused = tuple(key for key in missing if not _may_be_missing(key))
    if refused or unexpected or wrong:
        raise CheckpointError(_complaint(where, wanted, given, refused, unexpected, wrong))
    loaded = tuple(key for key in wanted if key in given)
    network.load_state_dict({**wanted, **{key: given[key] for key in loaded}})
    return Coverage(loaded, missing, tuple(key for key in given if key not in wanted), dropped)


def class_count(state: Mapping[str, Tensor]) -> int | None:
    """Classes that the last layer of a state's head speaks of, or None where no head of ours is found."""
    heads = {_bare(key): value for key, value in state.items() if _bare(key).startswith(CLASSIFIERS)}
    if "cls.weight" in heads:  # a transposed convolution: (inputs, outputs, height, width)
        return int(heads["cls.weight"].shape[1])
    biases = sorted(key for key in heads if key.endswith(".bias"))
    return int(heads[biases[-1]].shape[0]) if biases else None


def _bare(key: str) -> str:
    stripped = True
    while stripped:
        stripped = False
        for prefix in PREFIXES:
            if key.startswith(prefix):
                key, stripped = key.removeprefix(prefix), True
    return key


def _may_be_missing(key: str) -> bool:
    return key.startswith("aux.") or key.endswith("num_batches_tracked")


def _complaint(
    where: str,
    wanted: Mapping[str, Tensor],
    given: Mapping[str, Tensor],
    missing: tuple[str, ...],
    unexpected: tuple[str, ...],
    wrong: tuple[str, ...],
) -> str:
    parts = []
    if missing:
        parts.append(f"{len(missing)} of {len(wanted)} keys missing ({_some(missing)})")
    if unexpected:
        parts.append(f"{len(unexpected)} unexpected ({_some(unexpected)})")
    if wrong:
        shapes = (f"{key} {tuple(given[key].shape)} for {tuple(wanted[key].shape)}" for key in wrong)
        parts.append(f"{len(wrong)} of another shape ({_some(shapes)})")
    return f"Found weights in {where} that do not fit the network: {'; '.join(parts)}."


def _some(items: Iterable[str]) -> str:
    listed = list(items)
    return ", ".join(listed[:_LISTED]) + (f", and {len(listed) - _LISTED} more" if len(listed) > _LISTED else "")


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return dict(load_file(str(path)))
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"Found {path}, which cannot be read as safetensors: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
