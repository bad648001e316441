"""Class weights by hand, and what balancing promises."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from etc_edge.losses.class_weights import ClassWeights, balanced_weights
from etc_edge.losses.cross_entropy import CrossEntropy
from etc_edge.losses.single_frame import SingleFrameDistillation, divergence
from etc_edge.losses.term import FrameOutputs, own_count
from tests.loss_steps import step_of, taught


def test_by_hand() -> None:
    # A mean of 10 pixels: 1 of 16 counts by the square root of 10 / 16.
    found = balanced_weights(torch.tensor([16.0, 0.0, 4.0]))
    assert found.tolist() == pytest.approx([math.sqrt(10 / 16), 0.0, math.sqrt(10 / 4)])
    assert balanced_weights(torch.zeros(3)).tolist() == [0.0, 0.0, 0.0]


@given(st.lists(st.integers(0, 10**6), min_size=2, max_size=20), st.integers(2, 9))
def test_a_class_counts_as_the_root_of_its_pixels(counts: list[int], times: int) -> None:
    pixels = torch.tensor(counts, dtype=torch.float32)
    total = balanced_weights(pixels) * pixels
    present = pixels > 0
    share = total[present] / pixels[present].sqrt()
    assert torch.allclose(share, share[:1].expand_as(share), rtol=1e-4), "the same factor for every class"
    assert torch.allclose(balanced_weights(times * pixels), balanced_weights(pixels), rtol=1e-4), "shares, not numbers"


def test_given_ones_are_kept_and_none_are_none() -> None:
    classes, known = torch.zeros(1, 2, 2, dtype=torch.long), torch.ones(1, 2, 2, dtype=torch.bool)
    given_weights = ClassWeights((1.0, 3.0)).of(classes, known, 2, own_count)
    assert given_weights is not None
    assert given_weights.tolist() == [1.0, 3.0]
    assert ClassWeights(None).of(classes, known, 2, own_count) is None


def test_cross_entropy_of_balanced_classes_leaves_void_out() -> None:
    torch.manual_seed(1)
    logits = torch.randn(1, 2, 1, 6)
    labels = torch.tensor([[[0, 0, 0, 0, 1, 255]]])
    step = step_of([FrameOutputs(torch.zeros(1, 3, 1, 6), logits)], labels=labels)
    each = -logits.log_softmax(1)[0, :, 0]
    # Four pixels of one class weigh half as much, each, as the one of the other.
    expected = (each[0, :4].sum() / 2 + each[1, 4]) / (4 / 2 + 1)
    assert float(CrossEntropy(class_weights="balanced")(step)) == pytest.approx(float(expected), rel=1e-5)


def test_distillation_balances_the_teachers_classes() -> None:
    torch.manual_seed(2)
    student, teacher = torch.randn(1, 2, 1, 5), torch.full((1, 2, 1, 5), -1.0)
    teacher[0, 0, 0, :4], teacher[0, 1, 0, 4] = 2.0, 2.0
    step = step_of([FrameOutputs(torch.zeros(1, 3, 8, 40), student)], teacher=[taught(teacher)])
    seen = torch.ones(1, 1, 1)
    each = [float(divergence(student[..., [place]], teacher[..., [place]], seen)) for place in range(5)]
    expected = (sum(each[:4]) / 2 + each[4]) / 3
    assert float(SingleFrameDistillation(class_weights="balanced")(step)) == pytest.approx(expected, rel=1e-5)
