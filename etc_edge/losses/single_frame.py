"""Single-frame distillation SF: the student's classes of each pixel should be the teacher's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from etc_edge.losses.class_weights import ClassWeights, Weighting
from etc_edge.losses.term import Need, StepOutputs, own_count

Direction = Literal["student_teacher", "teacher_student"]


class SingleFrameDistillation:
    """Kullback–Leibler divergence between student and teacher at every pixel of every frame.

    Args:
        direction: `student_teacher` is KL(student ‖ teacher), as the paper of ETC writes it; `teacher_student` is
            KL(teacher ‖ student), the distillation of Hinton et al. (2015), whose gradient is that of cross-entropy
            with the teacher's probabilities.
        temperature: both distributions are softened by it, and the loss is multiplied by its square (Hinton et al.).
        class_weights: see ClassWeights; of pixels that the teacher gives to a class. Those of the cross-entropy, so
            that the teacher's large classes do not outvote its weights; `balanced` needs no labels.
    """

    needs: frozenset[Need] = frozenset({"teacher"})

    def __init__(
        self,
        direction: Direction = "student_teacher",
        temperature: float = 1.0,
        class_weights: Weighting = None,
    ) -> None:
        self._direction, self._temperature = direction, temperature
        self._class_weights = ClassWeights(class_weights)

    def __call__(self, step: StepOutputs) -> Tensor:
        """See Term; at the teacher's resolution, the mean over the frames."""
        values = []
        for frame, teacher in zip(step.frames, step.teacher, strict=True):
            size_hw = teacher.logits.shape[2:]
            student = frame.logits.float()
            if student.shape[2:] != size_hw:
                student = functional.interpolate(student, size=size_hw, mode="bilinear", align_corners=True)
            theirs = teacher.logits.float()
            weight = teacher.valid.to(theirs.dtype)
            classes = theirs.argmax(1)
            by_class = self._class_weights.of(classes, teacher.valid, theirs.shape[1], step.mean_count)
            if by_class is not None:
                weight = weight * by_class[classes]
            values.append(divergence(student, theirs, weight, self._direction, self._temperature, step.mean_count))
        return torch.stack(values).mean()


def divergence(
    student: Tensor,
    teacher: Tensor,
    weight: Tensor,
    direction: Direction = "student_teacher",
    temperature: float = 1.0,
    mean_count: Callable[[Tensor], Tensor] = own_count,
) -> Tensor:
    """Weighted mean over pixels of Σ_c p_c (ln p_c − ln q_c), p the first of `direction`; no gradient to the teacher.

    Args:
        student, teacher: logits, float32 (N, C, h, w).
        weight: float (N, h, w), 0 for pixels that do not count.
        direction, temperature: see SingleFrameDistillation.
        mean_count: see StepOutputs.
    """
    ours = functional.log_softmax(student / temperature, 1)
    theirs = functional.log_softmax(teacher.detach() / temperature, 1)
    first, second = (ours, theirs) if direction == "student_teacher" else (theirs, ours)
    per_pixel = (first.exp() * (first - second)).sum(1)
    return temperature**2 * (per_pixel * weight).sum() / mean_count(weight.sum()).clamp_min(1e-6)
