"""What a pixel of each class counts in a loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

Weighting = tuple[float, ...] | Literal["balanced"] | None


class ClassWeights:
    """Weights by class: given, found from the step's own pixels, or none.

    Args:
        weighting: one weight a class; `balanced` for the weights of `balanced_weights`; None for equal ones.
    """

    def __init__(self, weighting: Weighting) -> None:
        self._balanced = weighting == "balanced"
        self._given = torch.tensor(weighting) if isinstance(weighting, tuple) else None

    def of(self, classes: Tensor, known: Tensor, count: int, mean_count: Callable[[Tensor], Tensor]) -> Tensor | None:
        """The weights of a step, float32 (count,), or None where all pixels count alike.

        Args:
            classes: int64 (N, h, w), the class of each pixel.
            known: bool (N, h, w), pixels that have one.
            count: number of classes.
            mean_count: see StepOutputs.
        """
        if self._given is not None:
            return self._given.to(classes.device)
        if not self._balanced:
            return None
        pixels = torch.bincount(classes[known], minlength=count).to(torch.float32)
        return balanced_weights(mean_count(pixels))


def balanced_weights(pixels: Tensor) -> Tensor:
    """(m / n_c)^½ for n_c pixels of class c and m their mean over classes that are there; 0 for absent classes.

    A class then counts as the square root of its share: between pixels that all count alike, which leaves out thin
    classes, and classes that do, which turns on a few pixels (Mikolov et al. 2013 sample frequent words so).

    Args:
        pixels: float32 (classes,), number of pixels of each.
    """
    present = pixels > 0
    mean = pixels.sum() / present.sum().clamp_min(1)
    return torch.where(present, (mean / pixels.clamp_min(1e-6)).sqrt(), torch.zeros_like(pixels))
