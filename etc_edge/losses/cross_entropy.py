"""Cross-entropy of labelled frames, with the auxiliary head's share."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from etc_edge.losses.class_weights import ClassWeights, Weighting
from etc_edge.losses.labelled import Frames, LabelledFrames
from etc_edge.losses.term import FrameOutputs, Need, StepOutputs, enlarged, own_count


class CrossEntropy:
    """Main logits plus `aux_weight` times the auxiliary logits, void left out (ETC: 0.4).

    Args:
        aux_weight: share of the auxiliary head.
        class_weights: see ClassWeights.
        frames: see LabelledFrames; the mean over them is taken.
    """

    needs: frozenset[Need]

    def __init__(
        self,
        aux_weight: float = 0.4,
        class_weights: Weighting = None,
        frames: Frames = "labelled",
    ) -> None:
        self._frames = LabelledFrames(frames)
        self.needs = self._frames.needs
        self._aux_weight = aux_weight
        self._class_weights = ClassWeights(class_weights)

    def __call__(self, step: StepOutputs) -> Tensor:
        """See Term."""
        values = [self._of_frame(step, frame, labels) for frame, labels in self._frames.of(step)]
        return torch.stack(values).mean()

    def _of_frame(self, step: StepOutputs, frame: FrameOutputs, labels: Tensor) -> Tensor:
        classes = frame.logits.shape[1]
        weights = self._class_weights.of(labels, labels != step.void, classes, step.mean_count)
        loss = cross_entropy(frame.full_logits, labels, step.void, weights, step.mean_count)
        if frame.auxiliary is not None and self._aux_weight:
            auxiliary = enlarged(frame.auxiliary, frame.images)
            loss = loss + self._aux_weight * cross_entropy(auxiliary, labels, step.void, weights, step.mean_count)
        return loss


def cross_entropy(
    logits: Tensor,
    labels: Tensor,
    void: int,
    class_weights: Tensor | None = None,
    mean_count: Callable[[Tensor], Tensor] = own_count,
) -> Tensor:
    """Mean cross-entropy over the labelled pixels, the logits enlarged to the labels' size.

    Args:
        logits: (N, classes, h, w) of any float type; the loss is computed in float32.
        labels: int64 (N, H, W).
        void: the label value that is left out; where every pixel is void, the loss is 0 with a zero gradient.
        class_weights: float (classes,), or None. The mean is then a weighted one.
        mean_count: see StepOutputs.
    """
    full = enlarged(logits, labels[:, None])
    total = functional.cross_entropy(full, labels, weight=class_weights, ignore_index=void, reduction="sum")
    known = labels != void
    count = known.sum() if class_weights is None else class_weights[labels[known]].sum()
    return total / mean_count(count.to(total.dtype)).clamp_min(1e-6)
