"""mIoU on the frames that were kept out of training."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from etc_edge.metrics.confusion import ConfusionMatrix, mean_over_present
from etc_edge.models.base import enlarge
from etc_edge.training.normalisation import Normalisation
from etc_edge.training.precision import autocast
from etc_edge.training.samples import Labelled, read_labelled


@torch.no_grad()
def held_out_miou(
    network: nn.Module,
    frames: Sequence[Labelled],
    size_hw: tuple[int, int],
    classes: int,
    void: int,
    normalise: Normalisation,
    kind: torch.dtype | None,
) -> float:
    """Mean over the classes present of intersection over union, whole frames, one confusion matrix over all.

    The network is left in the mode it was in.

    Raises:
        EtcEdgeError: no frame has a labelled pixel.
    """
    was_training = network.training
    network.eval()
    confusion = ConfusionMatrix(classes, void)
    for frame in frames:
        image, labels = read_labelled(frame, size_hw)
        images = normalise(torch.from_numpy(image)[None])
        with autocast(kind, images.device):
            logits = network(images)
        predicted = enlarge(logits.float(), size_hw).argmax(1)[0]
        confusion.update(predicted.to(torch.uint8).cpu().numpy(), labels)
    network.train(was_training)
    return mean_over_present(confusion.matrix)
