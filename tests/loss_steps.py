"""Steps of two or three frames for the tests of terms."""

from __future__ import annotations

import torch
from torch import Tensor

from etc_edge.losses.term import FrameOutputs, Motion, StepOutputs, TeacherOutputs

VOID = 255


def still(images: Tensor) -> Motion:
    """No motion, every pixel seen."""
    count, _, height, width = images.shape
    return Motion(torch.zeros(count, height, width, 2), torch.ones(count, height, width, dtype=torch.bool))


def step_of(
    frames: list[FrameOutputs],
    motions: list[Motion] | None = None,
    teacher: list[TeacherOutputs] | None = None,
    labels: Tensor | None = None,
) -> StepOutputs:
    """A step; without motions nothing moves, without labels all is void."""
    images = frames[0].images
    if labels is None:
        labels = torch.full((images.shape[0], *images.shape[2:]), VOID)
    motions = [still(images) for _ in frames[1:]] if motions is None else motions
    return StepOutputs(tuple(frames), labels, VOID, tuple(motions), teacher=tuple(teacher or ()))


def taught(logits: Tensor, features: Tensor | None = None) -> TeacherOutputs:
    """A teacher's outputs that are valid everywhere."""
    return TeacherOutputs(logits, features, torch.ones(logits.shape[0], *logits.shape[2:], dtype=torch.bool))
