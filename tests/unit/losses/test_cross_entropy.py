"""Cross-entropy against values worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from etc_edge.losses.cross_entropy import CrossEntropy, cross_entropy
from etc_edge.losses.table import TERMS
from etc_edge.losses.term import FrameOutputs, StepOutputs


def test_two_pixels_by_hand() -> None:
    # Softmax of (0, ln 3) is (1/4, 3/4).
    logits = torch.tensor([0.0, math.log(3.0)]).view(1, 2, 1, 1).expand(1, 2, 1, 2)
    labels = torch.tensor([[[0, 1]]])
    expected = (-math.log(0.25) - math.log(0.75)) / 2
    assert float(cross_entropy(logits, labels, 255)) == pytest.approx(expected)


def test_class_weights_make_a_weighted_mean() -> None:
    logits = torch.tensor([0.0, math.log(3.0)]).view(1, 2, 1, 1).expand(1, 2, 1, 2)
    expected = (-3 * math.log(0.25) - 1 * math.log(0.75)) / 4
    weights = torch.tensor([3.0, 1.0])
    assert float(cross_entropy(logits, torch.tensor([[[0, 1]]]), 255, weights)) == pytest.approx(expected)


def test_void_has_no_loss_and_no_gradient() -> None:
    logits = torch.zeros(1, 2, 1, 2, requires_grad=True)
    cross_entropy(logits, torch.tensor([[[0, 255]]]), 255).backward()
    assert logits.grad is not None
    torch.testing.assert_close(logits.grad, torch.tensor([[[[-0.5, 0.0]], [[0.5, 0.0]]]]))


def test_a_batch_of_nothing_but_void_is_zero() -> None:
    logits = torch.randn(2, 3, 4, 4, requires_grad=True)
    loss = cross_entropy(logits, torch.full((2, 8, 8), 255), 255)
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_logits_are_enlarged_with_aligned_corners() -> None:
    coarse = torch.tensor([0.0, 2.0]).view(1, 1, 1, 2).repeat(1, 2, 2, 1)
    coarse[:, 1] = 0
    # Three columns of class-0 logits: 0, 1, 2.
    expected = sum(math.log(1 + math.exp(-value)) for value in (0.0, 1.0, 2.0)) / 3
    labels = torch.zeros(1, 3, 3, dtype=torch.long)
    assert float(cross_entropy(coarse, labels, 255)) == pytest.approx(expected, rel=1e-5)


def test_half_precision_logits_are_computed_in_float32() -> None:
    logits = torch.randn(1, 4, 4, 4, dtype=torch.bfloat16)
    labels = torch.randint(0, 4, (1, 4, 4))
    loss = cross_entropy(logits, labels, 255)
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(float(cross_entropy(logits.float(), labels, 255)))


@pytest.mark.parametrize("aux_weight", [0.0, 0.4, 1.0])
def test_the_auxiliary_head_has_its_share(aux_weight: float) -> None:
    torch.manual_seed(0)
    main, auxiliary = torch.randn(1, 3, 4, 4), torch.randn(1, 3, 2, 2)
    labels = torch.randint(0, 3, (1, 8, 8))
    step = StepOutputs((FrameOutputs(torch.zeros(1, 3, 8, 8), main, auxiliary),), labels, 255)
    expected = cross_entropy(main, labels, 255) + aux_weight * cross_entropy(auxiliary, labels, 255)
    torch.testing.assert_close(CrossEntropy(aux_weight)(step), expected)


def test_all_frames_give_their_mean_where_all_are_labelled() -> None:
    torch.manual_seed(1)
    frames = tuple(FrameOutputs(torch.zeros(1, 3, 4, 4), torch.randn(1, 3, 4, 4)) for _ in range(2))
    first, second = (torch.randint(0, 3, (1, 4, 4)) for _ in range(2))
    found = CrossEntropy(frames="all")(StepOutputs(frames, first, 255, other_labels=(second,)))
    by_hand = [cross_entropy(frame.logits, labels, 255) for frame, labels in zip(frames, (first, second), strict=True)]
    torch.testing.assert_close(found, (by_hand[0] + by_hand[1]) / 2)


def test_only_the_first_frame_is_labelled() -> None:
    main = torch.randn(1, 3, 4, 4)
    first = FrameOutputs(torch.zeros(1, 3, 4, 4), main, None)
    other = FrameOutputs(torch.zeros(1, 3, 4, 4), torch.full((1, 3, 4, 4), torch.nan), None)
    labels = torch.randint(0, 3, (1, 4, 4))
    loss = TERMS.load("cross_entropy")(aux_weight=0.4, class_weights=None)(StepOutputs((first, other), labels, 255))
    assert bool(torch.isfinite(loss))
