"""A term of the training loss: what it is given and what it says it needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from torch import Tensor

# What a term cannot do without. The trainer refuses a recipe whose data cannot give it, before the first step.
Need = Literal["labels", "pair", "flow", "teacher"]


@dataclass(frozen=True)
class FrameOutputs:
    """One frame of every sample of a batch, through the network.

    Args:
        images: float (N, 3, H, W), normalised as the network sees them.
        logits: float (N, classes, h, w) at the network's own stride.
        auxiliary: logits of the auxiliary head, or None.
    """

    images: Tensor
    logits: Tensor
    auxiliary: Tensor | None


@dataclass(frozen=True)
class StepOutputs:
    """All that a term may look at in one step.

    Args:
        frames: one entry a frame of the sample; only the first is labelled.
        labels: int64 (N, H, W), class or `void`.
        void: the label value that is left out.
    """

    frames: tuple[FrameOutputs, ...]
    labels: Tensor
    void: int


class Term(Protocol):
    """One term of the sum; the recipe names it and gives its weight."""

    needs: frozenset[Need]

    def __call__(self, step: StepOutputs) -> Tensor:
        """The term's value, a scalar with gradient, before the recipe's weight."""
