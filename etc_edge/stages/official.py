"""From a checkpoint as its authors released it to a bundle that is evaluated like any other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from etc_edge.core.errors import CheckpointError
from etc_edge.core.optional import require
from etc_edge.core.progress import Progress
from etc_edge.data.dataset import open_dataset

NETWORK = "pspnet18"
"""What the ETC authors released weights of."""


@contextmanager
def official_bundle(
    checkpoint: Path,
    data: str,
    split: str = "val",
    network: str = NETWORK,
    size_hw: tuple[int, int] | None = None,
    progress: Progress | None = None,
) -> Iterator[Path]:
    """The FP32 bundle of a checkpoint with a data set's classes, which lives as long as the `with` block.

    Normalisation is ImageNet's and logits are enlarged with aligned corners, as the ETC authors evaluate.

    Args:
        checkpoint: a state_dict, flat or under `state_dict`; prefixes and parts that belong to training are known.
        data: the data set whose classes it was trained on.
        split: one of its splits.
        network: what the checkpoint holds.
        size_hw: input size; None takes that of the split's first frame (1024×2048 on Cityscapes: whole frames).
        progress: told what goes on.

    Raises:
        EtcEdgeError: torch is missing, the file is none of weights, or holds another network or number of classes.
    """
    require("torch", "train", "evaluating a checkpoint")
    require("onnx", "graph", "evaluating a checkpoint")
    require("onnxsim", "graph", "evaluating a checkpoint")
    from etc_edge.models.checkpoint import class_count, read_state
    from etc_edge.models.table import NETWORKS
    from etc_edge.stages.export import ExportOptions, export

    NETWORKS.load(network)
    dataset = open_dataset(data)
    classes = class_count(read_state(checkpoint))
    if classes is not None and classes != len(dataset.label_set):
        raise CheckpointError(
            f"Found {classes} classes in {checkpoint}, expected the {len(dataset.label_set)} of {dataset.name}.",
            "Evaluate it on the data set that it was trained on.",
        )
    if size_hw is None:
        height, width, _ = dataset.clips(split)[0][0].image_rgb.shape
        size_hw = (height, width)
    options = ExportOptions(classes=dataset.label_set, size_hw=size_hw, network=network)
    with TemporaryDirectory(prefix="etc-edge-official-") as folder:
        yield export(checkpoint, Path(folder) / f"{checkpoint.stem}.etc", options, progress).bundle.path
