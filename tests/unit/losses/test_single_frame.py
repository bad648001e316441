"""Distillation of single frames against divergences worked out by hand and torch's own."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from etc_edge.losses.single_frame import SingleFrameDistillation, divergence
from etc_edge.losses.term import FrameOutputs, TeacherOutputs
from tests.loss_steps import step_of, taught

STUDENT = torch.tensor([0.25, 0.75]).log().view(1, 2, 1, 1)
TEACHER = torch.tensor([0.5, 0.5]).log().view(1, 2, 1, 1)
SEEN = torch.ones(1, 1, 1)


def test_both_directions_by_hand() -> None:
    student_first = 0.25 * math.log(0.25 / 0.5) + 0.75 * math.log(0.75 / 0.5)
    teacher_first = 0.5 * math.log(0.5 / 0.25) + 0.5 * math.log(0.5 / 0.75)
    assert float(divergence(STUDENT, TEACHER, SEEN, "student_teacher")) == pytest.approx(student_first)
    assert float(divergence(STUDENT, TEACHER, SEEN, "teacher_student")) == pytest.approx(teacher_first)


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_torchs_own_divergence(temperature: float) -> None:
    torch.manual_seed(0)
    student, teacher = torch.randn(2, 5, 3, 4), torch.randn(2, 5, 3, 4)
    expected = functional.kl_div(
        (student / temperature).log_softmax(1), (teacher / temperature).log_softmax(1), log_target=True, reduction="sum"
    )
    found = divergence(student, teacher, torch.ones(2, 3, 4), "teacher_student", temperature)
    assert float(found) == pytest.approx(float(expected) * temperature**2 / (2 * 3 * 4), rel=1e-5)


def test_the_gradient_of_the_teachers_direction_is_cross_entropys() -> None:
    student = STUDENT.clone().requires_grad_()
    divergence(student, TEACHER, SEEN, "teacher_student").backward()
    assert student.grad is not None
    torch.testing.assert_close(student.grad, STUDENT.exp() - TEACHER.exp())


def test_the_teacher_gets_no_gradient() -> None:
    teacher = torch.randn(1, 3, 2, 2, requires_grad=True)
    student = torch.randn(1, 3, 2, 2, requires_grad=True)
    divergence(student, teacher, torch.ones(1, 2, 2)).backward()
    assert teacher.grad is None


def test_places_outside_the_frame_do_not_count() -> None:
    student, teacher = torch.randn(1, 3, 1, 2), torch.randn(1, 3, 1, 2)
    first = torch.tensor([[[1.0, 0.0]]])
    expected = divergence(student[..., :1], teacher[..., :1], SEEN)
    torch.testing.assert_close(divergence(student, teacher, first), expected)
    assert float(divergence(student, teacher, torch.zeros(1, 1, 2))) == 0.0


def test_pixels_weigh_as_the_class_that_the_teacher_gives_them() -> None:
    torch.manual_seed(2)
    student, teacher = torch.randn(1, 2, 1, 2), torch.tensor([[[[3.0, -1.0]], [[0.0, 1.0]]]])
    step = step_of([FrameOutputs(torch.zeros(1, 3, 8, 16), student)], teacher=[taught(teacher)])
    each = [float(divergence(student[..., [place]], teacher[..., [place]], SEEN)) for place in range(2)]
    found = SingleFrameDistillation(class_weights=(1.0, 3.0))(step)
    assert float(found) == pytest.approx((each[0] + 3.0 * each[1]) / 4.0, rel=1e-5)


def test_both_frames_and_the_teachers_resolution() -> None:
    torch.manual_seed(0)
    images = torch.zeros(1, 3, 8, 8)
    teacher = [torch.randn(1, 3, 2, 2), torch.randn(1, 3, 2, 2)]
    fine = [functional.interpolate(one, size=(4, 4), mode="bilinear", align_corners=True) for one in teacher]
    step = step_of([FrameOutputs(images, one) for one in fine], teacher=[taught(one) for one in teacher])
    assert float(SingleFrameDistillation()(step)) == pytest.approx(0.0, abs=1e-6), "corners of one size are the other's"
    worse = step_of([FrameOutputs(images, fine[0]), FrameOutputs(images, -fine[1])], teacher=list(step.teacher))
    only_second = divergence(-teacher[1], teacher[1], torch.ones(1, 2, 2))
    torch.testing.assert_close(SingleFrameDistillation()(worse), only_second / 2)


def test_needs_are_stated() -> None:
    assert SingleFrameDistillation.needs == {"teacher"}
    assert isinstance(taught(TEACHER), TeacherOutputs)
