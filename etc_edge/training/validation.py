"""Accuracy and steadiness on the frames that were kept out of training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from etc_edge.metrics.confusion import ConfusionMatrix, mean_over_present
from etc_edge.metrics.motion import motion_between
from etc_edge.metrics.temporal import flicker_counts, tc_matrix
from etc_edge.models.base import enlarge
from etc_edge.training.augmentation import Transform
from etc_edge.training.frames import Labelled, read_labelled
from etc_edge.training.normalisation import Normalisation
from etc_edge.training.pairs.source import PairSource
from etc_edge.training.pairs.stills import Stills
from etc_edge.training.precision import autocast
from etc_edge.training.recipe import StillsRecipe

UInt8 = npt.NDArray[np.uint8]
Predict = Callable[[UInt8], UInt8]
"""A frame, uint8 (H, W, 3), to its labels, uint8 (H, W)."""


@dataclass(frozen=True)
class HeldOut:
    """Frames to watch progress on, each with another one that it is compared with: the same in every call.

    Args:
        frames: with labels or without.
        size_hw: size of the network's input.
        classes: number of classes.
        void: the label value that is left out.
        pairs: where the other frames come from.
    """

    frames: Sequence[Labelled]
    size_hw: tuple[int, int]
    classes: int
    void: int
    pairs: PairSource

    def figures(self, predict: Predict, reference: Sequence[UInt8] | None = None) -> dict[str, float]:
        """Fractions over all frames: `miou` where there are labels, `tc` and `flicker` along the pairs' flow, and
        `agreement` with the labels of a reference where they are given, in the order of the frames.

        Raises:
            EtcEdgeError: a frame cannot be read.
        """
        confusion = ConfusionMatrix(self.classes, self.void)
        steady = np.zeros((self.classes, self.classes), np.int64)
        changed = same_look = agreed = seen = 0
        for number, frame in enumerate(self.frames):
            image, labels = read_labelled(frame, self.size_hw, self.void)
            ours = predict(image)
            confusion.update(ours, labels)
            whole = Transform(np.eye(2, 3), self.size_hw)
            _, (other, *_) = self.pairs(frame, image, whole, np.random.default_rng(number))
            motion = motion_between(image, other.image, other.flow, other.valid)
            back = motion.bring_back(predict(other.image))
            steady += tc_matrix(ours, back, motion, self.classes, self.void)
            counts = flicker_counts(ours, back, motion, self.void)
            changed, same_look = changed + counts[0], same_look + counts[1]
            if reference is not None:
                agreed += int(np.count_nonzero(ours == reference[number]))
                seen += ours.size
        found = {"miou": mean_over_present(confusion.matrix)} if confusion.matrix.any() else {}
        found["tc"] = mean_over_present(steady)
        found["flicker"] = changed / max(1, same_look)
        if reference is not None:
            found["agreement"] = agreed / max(1, seen)
        return found

    def labels(self, predict: Predict) -> list[UInt8]:
        """What a network says of the frames, to be a reference."""
        return [predict(read_labelled(frame, self.size_hw, self.void)[0]) for frame in self.frames]


def copies(size_hw: tuple[int, int], mean_rgb: tuple[float, float, float]) -> PairSource:
    """Moved, relit, noisy copies as other frames, whose flow is exact: for frames without neighbours."""
    return Stills(StillsRecipe(), size_hw, mean_rgb)


def network_labels(
    network: nn.Module, size_hw: tuple[int, int], normalise: Normalisation, kind: torch.dtype | None
) -> Predict:
    """How a network in evaluation labels frames of `size_hw`, in a number format."""

    @torch.no_grad()
    def predicted(image: UInt8) -> UInt8:
        images = normalise(torch.from_numpy(image)[None])
        with autocast(kind, images.device):
            logits = network(images)
        labels = enlarge(logits.float(), size_hw).argmax(1)[0]
        return np.asarray(labels.to(torch.uint8).cpu().numpy())

    return predicted
