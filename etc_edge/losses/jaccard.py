"""Soft Jaccard loss: one minus the intersection over union of each class, from probabilities."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from etc_edge.losses.labelled import Frames, LabelledFrames
from etc_edge.losses.term import Need, StepOutputs, own_count


class JaccardLoss:
    """The figure that labels are judged by, mIoU, made smooth: a thin class weighs as much as the road.

    Args:
        frames: see LabelledFrames; the mean over them is taken.
    """

    needs: frozenset[Need]

    def __init__(self, frames: Frames = "labelled") -> None:
        self._frames = LabelledFrames(frames)
        self.needs = self._frames.needs

    def __call__(self, step: StepOutputs) -> Tensor:
        """See Term."""
        values = [
            jaccard_loss(frame.full_logits, labels, step.void, step.mean_count)
            for frame, labels in self._frames.of(step)
        ]
        return torch.stack(values).mean()


def jaccard_loss(
    logits: Tensor, labels: Tensor, void: int, mean_count: Callable[[Tensor], Tensor] = own_count
) -> Tensor:
    """Mean over the classes that the labels hold of 1 - Σ p·y / Σ (p + y - p·y), sums over the labelled pixels.

    After Rahman & Wang (2016), "Optimizing Intersection-Over-Union in Deep Neural Networks for Image Segmentation".

    Args:
        logits: float32 (N, classes, H, W).
        labels: int64 (N, H, W).
        void: the label value that is left out; where every pixel is void, the loss is 0 with a zero gradient.
        mean_count: see StepOutputs. Sums are those of all processes' pixels; the gradient of each process is that of
            its own part of them.
    """
    classes = logits.shape[1]
    known = labels != void
    probabilities = logits.softmax(1) * known[:, None]
    truth = torch.where(known, labels, 0)
    pixels = torch.bincount(labels[known], minlength=classes).to(probabilities.dtype)
    hits = probabilities.gather(1, truth[:, None])[:, 0]
    intersection = torch.zeros_like(pixels).index_add(0, truth.flatten(), hits.flatten())
    union = probabilities.sum((0, 2, 3)) + pixels - intersection
    # The quotient of all processes' sums, with the gradient of this process's share of them.
    whole = mean_count(torch.stack([intersection.detach(), union.detach(), pixels]))
    present = whole[2] > 0
    shared, of = whole[0], whole[1].clamp_min(1e-6)
    share = (intersection - intersection.detach()) / of - (union - union.detach()) * shared / of**2
    losses = torch.where(present, 1 - shared / of - share, torch.zeros_like(share))
    return losses.sum() / present.sum().clamp_min(1)
