"""The soft Jaccard loss against values worked out by hand, against hard IoU, and shared among processes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import jaccard_score
from torch import Tensor

from etc_edge.losses.jaccard import JaccardLoss, jaccard_loss
from etc_edge.losses.table import TERMS
from etc_edge.losses.term import FrameOutputs, StepOutputs

VOID = 255


def plain(logits: Tensor, labels: Tensor) -> Tensor:
    """The formula as it is written, for one process and no void."""
    truth = torch.nn.functional.one_hot(labels, logits.shape[1]).permute(0, 3, 1, 2)
    chances = logits.softmax(1)
    shared = (chances * truth).sum((0, 2, 3))
    shares = shared / (chances + truth - chances * truth).sum((0, 2, 3))
    return 1 - shares[labels.unique()].mean()


def test_two_pixels_by_hand() -> None:
    # Softmax of (0, ln 3) is (1/4, 3/4) at both pixels. Class 0: 1/4 of 1/4 + 1/4 + 1 - 1/4; class 1: 3/4 of 7/4.
    logits = torch.tensor([0.0, math.log(3.0)]).view(1, 2, 1, 1).expand(1, 2, 1, 2)
    expected = 1 - (0.25 / 1.25 + 0.75 / 1.75) / 2
    assert float(jaccard_loss(logits, torch.tensor([[[0, 1]]]), VOID)) == pytest.approx(expected)


def test_certain_logits_give_one_minus_the_mean_iou_of_scikit_learn() -> None:
    random = np.random.default_rng(0)
    truth, found = random.integers(0, 4, (2, 2, 9, 7))
    logits = 1e3 * torch.nn.functional.one_hot(torch.from_numpy(found), 4).permute(0, 3, 1, 2).float()
    expected = 1 - jaccard_score(truth.ravel(), found.ravel(), average="macro")
    assert float(jaccard_loss(logits, torch.from_numpy(truth), VOID)) == pytest.approx(expected, rel=1e-6)


def test_gradient_is_that_of_the_formula() -> None:
    torch.manual_seed(0)
    ours = torch.randn(2, 4, 5, 6, dtype=torch.float64, requires_grad=True)
    theirs = ours.detach().clone().requires_grad_()
    labels = torch.randint(0, 3, (2, 5, 6))  # the last class is absent: it is in no mean, and still in the softmax
    found, expected = jaccard_loss(ours, labels, VOID), plain(theirs, labels)
    found.backward()
    expected.backward()
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_void_is_as_if_it_were_not_there() -> None:
    torch.manual_seed(0)
    logits = torch.randn(1, 3, 4, 6, requires_grad=True)
    labels = torch.randint(0, 3, (1, 4, 6))
    cut = jaccard_loss(logits[..., :3], labels[..., :3], VOID)
    labels[..., 3:] = VOID
    loss = jaccard_loss(logits, labels, VOID)
    assert float(loss.detach()) == pytest.approx(float(cut.detach()))
    loss.backward()
    assert logits.grad is not None
    assert not logits.grad[..., 3:].any()


def test_a_batch_of_nothing_but_void_is_zero() -> None:
    logits = torch.randn(2, 3, 4, 4, requires_grad=True)
    loss = jaccard_loss(logits, torch.full((2, 4, 4), VOID), VOID)
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_processes_that_average_gradients_do_what_one_does() -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(2, 3, 4, 5, dtype=torch.float64), torch.randint(0, 3, (2, 4, 5))
    whole = logits.clone().requires_grad_()
    expected = jaccard_loss(whole, labels, VOID)
    expected.backward()

    parts: list[Tensor] = []  # what each of two processes brings to the mean

    def seen(sums: Tensor) -> Tensor:
        parts.append(sums)
        return sums

    for place in range(2):
        jaccard_loss(logits[place : place + 1], labels[place : place + 1], VOID, seen)
    mean = torch.stack(parts).mean(0)
    mine = logits.clone().requires_grad_()
    for place in range(2):
        loss = jaccard_loss(mine[place : place + 1], labels[place : place + 1], VOID, lambda _: mean)
        torch.testing.assert_close(loss.detach(), expected.detach())
        (loss / 2).backward()
    torch.testing.assert_close(mine.grad, whole.grad)


def test_frames_that_count() -> None:
    torch.manual_seed(0)
    frames = tuple(FrameOutputs(torch.zeros(1, 3, 8, 8), torch.randn(1, 3, 4, 4)) for _ in range(2))
    labels = torch.randint(0, 3, (2, 1, 8, 8))
    step = StepOutputs(frames, labels[0], VOID, other_labels=(labels[1],))
    of = [jaccard_loss(frame.full_logits, one, VOID) for frame, one in zip(frames, labels, strict=True)]
    torch.testing.assert_close(JaccardLoss()(step), of[0])
    torch.testing.assert_close(JaccardLoss("all")(step), (of[0] + of[1]) / 2)
    assert JaccardLoss().needs == {"labels"}
    assert TERMS.load("jaccard")(frames="all").needs == {"labels", "other_labels"}
