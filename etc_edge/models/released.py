"""Our own form of finished weights: half-precision safetensors that say what they are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn

from etc_edge.core.atomic import atomic_file
from etc_edge.core.errors import BundleError, CheckpointError, DatasetError
from etc_edge.core.labels import LabelSet
from etc_edge.core.preprocessing import Preprocessing
from etc_edge.models.checkpoint import load_state, read_state
from etc_edge.models.table import NETWORKS, build_network

FORMAT = "etc-edge-1"


@dataclass(frozen=True)
class Released:
    """Finished weights: the network in evaluation mode, and all that is needed to deploy it.

    Args:
        name: the network's name in the table.
        network: float32, without its auxiliary head.
        labels: its classes.
        preprocessing: what it expects of a frame.
        notes: anything more that was written down, such as the data set.
    """

    name: str
    network: nn.Module
    labels: LabelSet
    preprocessing: Preprocessing
    notes: Mapping[str, str] = field(default_factory=dict)


def save_released(released: Released, path: Path) -> None:
    """Write weights as float16 safetensors; the auxiliary head and batch counters are left out.

    Raises:
        CheckpointError: a weight does not fit into float16.
    """
    from safetensors.torch import save

    tensors = {}
    for key, value in released.network.state_dict().items():
        if key.startswith("aux.") or key.endswith("num_batches_tracked"):
            continue
        half = value.detach().cpu().to(torch.float16).contiguous()
        if not bool(torch.isfinite(half).all()):
            raise CheckpointError(f"Found values in {key} that float16 cannot hold.")
        tensors[key] = half
    metadata = {
        **released.notes,
        "format": FORMAT,
        "network": released.name,
        "labels": json.dumps(released.labels.to_dict()),
        "preprocessing": json.dumps(released.preprocessing.to_dict()),
    }
    with atomic_file(Path(path)) as temporary:
        temporary.write_bytes(_in_order(save(tensors, metadata)))


def _in_order(file: bytes) -> bytes:
    """A safetensors file with the keys of its header sorted: the library writes metadata in random order, and the
    same weights shall have the same hash."""
    length = int.from_bytes(file[:8], "little")
    header = json.dumps(json.loads(file[8 : 8 + length]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + file[8 + length :]


def load_released(path: Path) -> Released:
    """Read what `save_released` wrote.

    Raises:
        CheckpointError: no such file, no metadata of ours, or weights that do not cover the network.
    """
    metadata = read_metadata(path)
    state = read_state(path)
    try:
        name = metadata.pop("network")
        labels = LabelSet.from_dict(json.loads(metadata.pop("labels")))
        preprocessing = Preprocessing.from_dict(json.loads(metadata.pop("preprocessing")))
        known = metadata.pop("format") == FORMAT and name in NETWORKS.names()
    except (KeyError, ValueError, DatasetError, BundleError) as error:
        raise CheckpointError(
            f"Found {path} without the metadata of etc-edge's weights.",
            "Foreign weights need their network, classes and size named on the command line.",
        ) from error
    if not known:
        raise CheckpointError(f"Found weights of an unknown format or network {name!r} in {path}.")
    network = build_network(name, len(labels), auxiliary=False)
    load_state(network, state, str(path))
    return Released(name, network.eval(), labels, preprocessing, metadata)


def read_metadata(path: Path) -> dict[str, str]:
    """Metadata of a safetensors file, empty when it has none.

    Raises:
        CheckpointError: no such file, or not safetensors.
    """
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise CheckpointError(f"Found no checkpoint at {path}.")
    try:
        with safe_open(str(path), framework="pt") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"Found {path}, which cannot be read as safetensors.") from error
