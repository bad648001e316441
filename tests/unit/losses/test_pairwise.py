"""Pair-wise distillation against similarities worked out by hand and torch's own."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from etc_edge.losses.pairwise import PairwiseDistillation, pairwise_loss, pooled, similarity
from etc_edge.losses.term import FrameOutputs
from tests.loss_steps import step_of, taught


def test_similarity_by_hand() -> None:
    first = torch.tensor([[3.0, 0.0], [4.0, 2.0]]).view(1, 2, 1, 2)  # places (3, 4) and (0, 2)
    other = torch.tensor([[1.0, 0.0], [0.0, 5.0]]).view(1, 2, 1, 2)  # places (1, 0) and (0, 5)
    torch.testing.assert_close(similarity(first, other), torch.tensor([[[0.6, 0.8], [0.0, 1.0]]]))


def test_torchs_own_cosine() -> None:
    torch.manual_seed(0)
    first, other = torch.randn(2, 7, 3, 4), torch.randn(2, 7, 3, 4)
    expected = functional.cosine_similarity(first.flatten(2)[..., None], other.flatten(2)[:, :, None], dim=1)
    torch.testing.assert_close(similarity(first, other), expected)


@given(st.integers(0, 2**31), st.floats(0.1, 100.0))
def test_lengths_do_not_matter(seed: int, length: float) -> None:
    torch.manual_seed(seed)
    first, other = torch.randn(1, 4, 2, 3), torch.randn(1, 4, 2, 3)
    torch.testing.assert_close(similarity(length * first, other), similarity(first, other), rtol=1e-4, atol=1e-5)


def test_places_without_features_have_no_similarity_and_a_finite_gradient() -> None:
    first = torch.zeros(1, 4, 1, 1, requires_grad=True)
    found = similarity(first, torch.ones(1, 4, 1, 1))
    found.sum().backward()
    assert float(found.detach()) == 0.0
    assert first.grad is not None
    assert bool(torch.isfinite(first.grad).all())


def test_the_loss_by_hand() -> None:
    one, across = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1), torch.tensor([0.0, 1.0]).view(1, 2, 1, 1)
    assert float(pairwise_loss(one, one, one, across)) == 1.0
    assert float(pairwise_loss(one, across, one, one)) == 1.0
    assert float(pairwise_loss(one, across, across, one)) == 0.0


def test_the_gradient() -> None:
    torch.manual_seed(0)
    ours, ours_other = (torch.randn(1, 3, 2, 2, requires_grad=True) for _ in range(2))
    theirs, theirs_other = (torch.randn(1, 5, 2, 2, requires_grad=True) for _ in range(2))
    pairwise_loss(ours, ours_other, theirs, theirs_other).backward()
    assert theirs.grad is None
    assert theirs_other.grad is None
    assert ours.grad is not None
    step = 1e-2
    nudged = ours.detach().clone()
    nudged[0, 1, 0, 1] += step
    slope = (
        pairwise_loss(nudged, ours_other, theirs, theirs_other) - pairwise_loss(ours, ours_other, theirs, theirs_other)
    ) / step
    assert float(ours.grad[0, 1, 0, 1]) == pytest.approx(float(slope.detach()), rel=0.1, abs=1e-3)


def test_pooling_bounds_the_matrix() -> None:
    features = torch.randn(1, 8, 90, 120)
    assert similarity(pooled(features, (6, 8)), pooled(features, (6, 8))).shape == (1, 48, 48)
    torch.testing.assert_close(pooled(features, (90, 120)), features)


def test_teacher_and_student_may_differ_in_width_and_stride() -> None:
    torch.manual_seed(0)
    images, logits = torch.zeros(2, 3, 64, 64), torch.zeros(2, 2, 8, 8)
    frames = [FrameOutputs(images, logits, None, torch.randn(2, 4, 8, 8)) for _ in range(3)]
    teacher = [taught(logits, torch.randn(2, 9, 4, 4)) for _ in range(3)]
    cells = [functional.adaptive_avg_pool2d(frame.features, (2, 2)) for frame in frames]  # type: ignore[arg-type]
    theirs = [functional.adaptive_avg_pool2d(one.features, (2, 2)) for one in teacher]  # type: ignore[arg-type]
    expected = sum(pairwise_loss(cells[0], cells[i], theirs[0], theirs[i]) for i in (1, 2)) / 2
    found = PairwiseDistillation((2, 2))(step_of(frames, teacher=teacher))
    torch.testing.assert_close(found, expected)
