"""Cross-entropy of the labelled frame, with the auxiliary head's share."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from etc_edge.losses.term import Need, StepOutputs


class CrossEntropy:
    """Main logits plus `aux_weight` times the auxiliary logits, void left out (ETC: 0.4).

    Args:
        aux_weight: share of the auxiliary head.
        class_weights: one weight a class, or None for equal ones.
    """

    needs: frozenset[Need] = frozenset({"labels"})

    def __init__(self, aux_weight: float = 0.4, class_weights: tuple[float, ...] | None = None) -> None:
        self._aux_weight = aux_weight
        self._class_weights = None if class_weights is None else torch.tensor(class_weights)

    def __call__(self, step: StepOutputs) -> Tensor:
        """See Term."""
        frame = step.frames[0]
        weights = None if self._class_weights is None else self._class_weights.to(frame.logits.device)
        loss = cross_entropy(frame.logits, step.labels, step.void, weights)
        if frame.auxiliary is not None and self._aux_weight:
            loss = loss + self._aux_weight * cross_entropy(frame.auxiliary, step.labels, step.void, weights)
        return loss


def cross_entropy(logits: Tensor, labels: Tensor, void: int, class_weights: Tensor | None = None) -> Tensor:
    """Mean cross-entropy over the labelled pixels, the logits enlarged to the labels' size.

    Args:
        logits: (N, classes, h, w) of any float type; the loss is computed in float32.
        labels: int64 (N, H, W).
        void: the label value that is left out; where every pixel is void, the loss is 0 with a zero gradient.
        class_weights: float (classes,), or None. The mean is then a weighted one.
    """
    # Contiguous first: torch's softmax over channels is a third faster there than in channels-last memory.
    size_hw = (int(labels.shape[1]), int(labels.shape[2]))
    full = functional.interpolate(logits.float().contiguous(), size=size_hw, mode="bilinear", align_corners=True)
    if bool((labels == void).all()):
        return full.sum() * 0.0
    return functional.cross_entropy(full, labels, weight=class_weights, ignore_index=void)
