"""The temporal loss TL: what the network says of a surface should not change from frame to frame."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from etc_edge.losses.term import Need, StepOutputs, own_count
from etc_edge.losses.warp import inside, warp

Form = Literal["logits", "probability"]
Mask = Literal["photometric", "visible"]


class TemporalLoss:
    """Squared difference between the first frame's outputs and every other frame's, brought back along the flow.

    Args:
        form: compare `logits`, as the released code of ETC does, or `probability`, as its paper writes.
        mask: `photometric` weights each pixel by how alike the two frames look there (ETC); `visible` counts all
            pixels that the data says are seen in both, which suits exact flow and copies that were relit.
    """

    needs: frozenset[Need] = frozenset({"pair"})

    def __init__(self, form: Form = "probability", mask: Mask = "photometric") -> None:
        self._form, self._mask = form, mask

    def __call__(self, step: StepOutputs) -> Tensor:
        """See Term; the mean over the other frames."""
        first, *others = step.frames
        now = self._values(first.full_logits)
        values = []
        for other, motion in zip(others, step.motions, strict=True):
            weight = (motion.valid & inside(motion.flow)).to(now.dtype)
            if self._mask == "photometric":
                weight = weight * likeness(first.images, other.images, motion.flow)
            values.append(temporal_loss(now, self._values(other.full_logits), motion.flow, weight, step.mean_count))
        return torch.stack(values).mean()

    def _values(self, logits: Tensor) -> Tensor:
        return logits.softmax(1) if self._form == "probability" else logits


def temporal_loss(
    now: Tensor, other: Tensor, flow: Tensor, weight: Tensor, mean_count: Callable[[Tensor], Tensor] = own_count
) -> Tensor:
    """mean (M · O_t − M · warp(O_k))², over the pixels with M > 0 and all classes; gradient through both frames.

    Equation 2 of Liu et al. (ECCV 2020) with the squared mask of their released code. Pixels whose flow leaves the
    frame must have M = 0: their code compares them with the border.

    Args:
        now: float (N, C, H, W), outputs O_t of the first frame.
        other: float (N, C, H, W), outputs O_k of the other one.
        flow: float32 (N, H, W, 2), first to other, in pixels.
        weight: float (N, H, W), the mask M in [0, 1].
        mean_count: see StepOutputs.
    """
    difference = weight[:, None] * (now - warp(other, flow))
    counted = (weight > 0).sum().to(now.dtype)
    return difference.square().sum() / (mean_count(counted) * now.shape[1]).clamp_min(1.0)


def likeness(images: Tensor, other: Tensor, flow: Tensor) -> Tensor:
    """The mask M = exp(−Σ_c |I_t − warp(I_k)|), float (N, H, W), of normalised images, float (N, 3, H, W).

    The magnitude is taken of each channel. The released code takes it of their signed sum, in which a change of
    colour cancels.
    """
    with torch.no_grad():
        weight: Tensor = torch.exp(-(images - warp(other, flow)).abs().sum(1))
        return weight
