"""mIoU and steadiness on the frames that were kept out of training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from etc_edge.metrics.confusion import ConfusionMatrix, mean_over_present
from etc_edge.metrics.motion import motion_between
from etc_edge.metrics.temporal import tc_matrix
from etc_edge.models.base import enlarge
from etc_edge.training.augmentation import Transform
from etc_edge.training.frames import Labelled, read_labelled
from etc_edge.training.normalisation import Normalisation
from etc_edge.training.pairs.stills import Stills
from etc_edge.training.precision import autocast
from etc_edge.training.recipe import StillsRecipe

UInt8 = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class HeldOut:
    """Fractions: mIoU, and tc between each frame and a moved, relit, noisy copy of it, whose flow is exact."""

    miou: float
    tc: float


@torch.no_grad()
def held_out_figures(
    network: nn.Module,
    frames: Sequence[Labelled],
    size_hw: tuple[int, int],
    classes: int,
    void: int,
    normalise: Normalisation,
    kind: torch.dtype | None,
) -> HeldOut:
    """Whole frames, one matrix over all; the copies are the same in every call.

    The network is left in the mode it was in.

    Raises:
        EtcEdgeError: no frame has a labelled pixel.
    """
    was_training = network.training
    network.eval()

    def predicted(image: UInt8) -> UInt8:
        images = normalise(torch.from_numpy(image)[None])
        with autocast(kind, images.device):
            logits = network(images)
        labels = enlarge(logits.float(), size_hw).argmax(1)[0]
        return np.asarray(labels.to(torch.uint8).cpu().numpy())

    confusion = ConfusionMatrix(classes, void)
    steady = np.zeros((classes, classes), np.int64)
    copies = Stills(StillsRecipe(), size_hw, normalise.mean_rgb)
    for number, frame in enumerate(frames):
        image, labels = read_labelled(frame, size_hw)
        ours = predicted(image)
        confusion.update(ours, labels)
        whole = Transform(np.eye(2, 3), size_hw)
        _, (copy,) = copies(frame, image, whole, np.random.default_rng(number))
        motion = motion_between(image, copy.image, copy.flow, copy.valid)
        steady += tc_matrix(ours, motion.bring_back(predicted(copy.image)), motion, classes, void)
    network.train(was_training)
    return HeldOut(mean_over_present(confusion.matrix), mean_over_present(steady))
