"""One pass forward: a batch through the network, and all that the terms of the loss look at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from etc_edge.losses.term import FrameOutputs, Motion, StepOutputs
from etc_edge.training.batches import Batch
from etc_edge.training.embedding import Embedding
from etc_edge.training.normalisation import Normalisation
from etc_edge.training.precision import autocast
from etc_edge.training.teacher import Teacher


@dataclass(frozen=True)
class Forward:
    """Runs batches.

    Args:
        network: in training; it may be wrapped.
        normalise: uint8 frames to images, which terms of the loss compare.
        as_input: uint8 frames to the network's input; None where that is the images.
        kind: number format of the pass, None for float32.
        void: label value that is left out.
        embedding: listens to the network where a term needs features, else None.
        teacher: or None.
        mean_count: see StepOutputs.
    """

    network: nn.Module
    normalise: Normalisation
    as_input: Callable[[Tensor], Tensor] | None
    kind: torch.dtype | None
    void: int
    embedding: Embedding | None
    teacher: Teacher | None
    mean_count: Callable[[Tensor], Tensor]

    def __call__(self, batch: Batch) -> StepOutputs:
        """All frames of all samples through the network as one batch, so that batch norm sees them together."""
        images = [self.normalise(frames) for frames in batch.frames]
        device = images[0].device
        with autocast(self.kind, device):
            inputs = images if self.as_input is None else [self.as_input(frames) for frames in batch.frames]
            logits, auxiliary = self.network(torch.cat(inputs) if len(inputs) > 1 else inputs[0])
            teacher = () if self.teacher is None else self.teacher(batch)
        count, parts = images[0].shape[0], len(images)
        features = None if self.embedding is None else self.embedding.taken()
        frames = tuple(
            FrameOutputs(*of_one)
            for of_one in zip(
                images, *(_split(outputs, count, parts) for outputs in (logits, auxiliary, features)), strict=True
            )
        )
        motions = tuple(Motion(motion.flow.to(device), motion.valid.to(device)) for motion in batch.motions)
        labels, *other_labels = (one.to(device).long() for one in (batch.labels, *batch.other_labels))
        return StepOutputs(frames, labels, self.void, motions, tuple(other_labels), teacher, self.mean_count)


def _split(outputs: Tensor | None, count: int, parts: int) -> list[Tensor] | list[None]:
    return [None] * parts if outputs is None else list(torch.split(outputs, count))
