"""A term of the training loss: what it is given and what it says it needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol

from torch import Tensor
from torch.nn import functional

# What a term cannot do without. The trainer refuses a recipe whose data cannot give it, before the first step.
Need = Literal["labels", "other_labels", "pair", "triple", "features", "teacher", "teacher_features"]


@dataclass(frozen=True)
class FrameOutputs:
    """One frame of every sample of a batch, through the network.

    Args:
        images: float (N, 3, H, W), normalised as the network sees them.
        logits: float (N, classes, h, w) at the network's own stride.
        auxiliary: logits of the auxiliary head, or None.
        features: float (N, D, h', w') of the network's embedding layer, or None where no term needs them.
    """

    images: Tensor
    logits: Tensor
    auxiliary: Tensor | None = None
    features: Tensor | None = None

    @cached_property
    def full_logits(self) -> Tensor:
        """float32 (N, classes, H, W): the logits enlarged to the images' size, worked out once for all terms."""
        return enlarged(self.logits, self.images)


@dataclass(frozen=True)
class Motion:
    """From the first frame of each sample to another one.

    Args:
        flow: float32 (N, H, W, 2), displacement (x, y) in pixels.
        valid: bool (N, H, W), pixels whose surface the other frame shows.
    """

    flow: Tensor
    valid: Tensor


@dataclass(frozen=True)
class TeacherOutputs:
    """What the teacher makes of one frame of every sample.

    Args:
        logits: float (N, classes, h, w) at any stride.
        features: float (N, D, h', w') of its embedding layer, or None where it gives none.
        valid: bool (N, h, w), places that lie in the frame; elsewhere the teacher saw nothing.
    """

    logits: Tensor
    features: Tensor | None
    valid: Tensor


def own_count(count: Tensor) -> Tensor:
    """A count of pixels as it is: the one of a run of a single process."""
    return count


@dataclass(frozen=True)
class StepOutputs:
    """All that a term may look at in one step.

    Args:
        frames: one entry a frame of the sample; the first is labelled. Of three, the second comes before the
            first in time and the third after it.
        labels: int64 (N, H, W), class or `void`.
        void: the label value that is left out.
        motions: one entry for each frame after the first.
        other_labels: for each frame after the first int64 (N, H, W) where the data knows them, or empty.
        teacher: one entry a frame, or empty.
        mean_count: the mean of a count over all processes of the run; dividing sums by it makes gradients that are
            averaged over processes those of one big batch.
    """

    frames: tuple[FrameOutputs, ...]
    labels: Tensor
    void: int
    motions: tuple[Motion, ...] = ()
    other_labels: tuple[Tensor, ...] = ()
    teacher: tuple[TeacherOutputs, ...] = ()
    mean_count: Callable[[Tensor], Tensor] = own_count


class Term(Protocol):
    """One term of the sum; the recipe names it and gives its weight.

    A term with weights of its own is an `nn.Module` as well: they are trained and kept with the network's.
    """

    needs: frozenset[Need]

    def __call__(self, step: StepOutputs, /) -> Tensor:
        """The term's value, a scalar with gradient, before the recipe's weight."""


def enlarged(logits: Tensor, images: Tensor) -> Tensor:
    """float32 (N, classes, H, W): logits bilinearly enlarged to the size of images, corners aligned."""
    size_hw = (int(images.shape[2]), int(images.shape[3]))
    # Contiguous first: torch's softmax over channels is a third faster there than in channels-last memory.
    plain = logits.float().contiguous()
    if plain.shape[2:] == size_hw:
        return plain
    return functional.interpolate(plain, size=size_hw, mode="bilinear", align_corners=True)
