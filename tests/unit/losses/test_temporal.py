"""The temporal loss against values worked out by hand, and its gradient against finite differences."""

from __future__ import annotations

import math

import pytest
import torch

from etc_edge.losses.temporal import TemporalLoss, likeness, temporal_loss
from etc_edge.losses.term import FrameOutputs, Motion
from tests.loss_steps import step_of


def frame(logits: torch.Tensor, images: torch.Tensor | None = None) -> FrameOutputs:
    if images is None:
        images = torch.zeros(logits.shape[0], 3, *logits.shape[2:])
    return FrameOutputs(images, logits)


def test_two_pixels_and_two_classes_by_hand() -> None:
    now = torch.tensor([1.0, 2.0, 3.0, 4.0]).view(1, 2, 1, 2)
    other = torch.tensor([0.0, 2.0, 3.0, 2.0]).view(1, 2, 1, 2)
    weight = torch.tensor([1.0, 0.5]).view(1, 1, 2)
    # Squared differences 1 and 0 of the first pixel; 0 and (0.5 · 2)² = 1 of the second; two pixels of two classes.
    assert float(temporal_loss(now, other, torch.zeros(1, 1, 2, 2), weight)) == pytest.approx(2.0 / 4.0)


def test_pixels_that_leave_the_frame_do_not_count() -> None:
    now, other = torch.zeros(1, 2, 1, 3), torch.ones(1, 2, 1, 3)
    flow = torch.zeros(1, 1, 3, 2)
    flow[0, 0, 2, 0] = 1.0
    step = step_of([frame(now), frame(other)], [Motion(flow, torch.ones(1, 1, 3, dtype=torch.bool))])
    assert float(TemporalLoss("logits", "visible")(step)) == pytest.approx(1.0), "the mean is over the two that stay"
    flow[0, 0, :, 0] = 9.0
    assert float(TemporalLoss("logits", "visible")(step)) == 0.0


def test_hidden_pixels_do_not_count() -> None:
    now = torch.zeros(1, 1, 1, 2)
    other = torch.tensor([[[[1.0, 5.0]]]])
    motion = Motion(torch.zeros(1, 1, 2, 2), torch.tensor([[[True, False]]]))
    assert float(TemporalLoss("logits", "visible")(step_of([frame(now), frame(other)], [motion]))) == 1.0


def test_the_mask_by_hand() -> None:
    first = torch.tensor([0.5, -0.25, 0.0]).view(1, 3, 1, 1)
    other = torch.tensor([0.25, 0.0, 0.0]).view(1, 3, 1, 1)
    assert float(likeness(first, other, torch.zeros(1, 1, 1, 2))) == pytest.approx(math.exp(-0.5))


def test_a_change_of_colour_does_not_cancel() -> None:
    """Red up and green down by as much: the released code's signed sum is 0 and its mask 1."""
    first = torch.tensor([1.0, -1.0, 0.0]).view(1, 3, 1, 1)
    assert float(likeness(first, -first, torch.zeros(1, 1, 1, 2))) == pytest.approx(math.exp(-4.0))


def test_the_form_on_probabilities_does_not_see_a_constant() -> None:
    logits = torch.randn(2, 4, 3, 5)
    step = step_of([frame(logits), frame(logits + 7.0)])
    assert float(TemporalLoss("probability", "visible")(step)) == pytest.approx(0.0, abs=1e-10)
    assert float(TemporalLoss("logits", "visible")(step)) == pytest.approx(49.0, rel=1e-4)


def test_logits_that_move_with_the_flow_cost_nothing() -> None:
    wide = torch.randn(1, 3, 6, 10)
    flow = torch.zeros(1, 6, 8, 2)
    flow[..., 0] = -2.0
    step = step_of([frame(wide[..., :8]), frame(wide[..., 2:])], [Motion(flow, torch.ones(1, 6, 8, dtype=torch.bool))])
    assert float(TemporalLoss("logits", "visible")(step)) < 1e-9


def test_three_frames_are_the_mean_of_two_pairs() -> None:
    torch.manual_seed(0)
    one, two, three = (frame(torch.randn(1, 2, 4, 4)) for _ in range(3))
    term = TemporalLoss()
    both = (float(term(step_of([one, two]))) + float(term(step_of([one, three])))) / 2
    assert float(term(step_of([one, two, three]))) == pytest.approx(both)


@pytest.mark.parametrize("form", ["logits", "probability"])
def test_the_gradient_goes_through_both_frames(form: str) -> None:
    torch.manual_seed(0)
    flow = torch.rand(1, 3, 4, 2, dtype=torch.float64)
    weight = torch.rand(1, 3, 4, dtype=torch.float64)
    now, other = (torch.randn(1, 2, 3, 4, dtype=torch.float64, requires_grad=True) for _ in range(2))

    def value(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        if form == "probability":
            first, second = first.softmax(1), second.softmax(1)
        return temporal_loss(first, second, flow, weight)

    assert torch.autograd.gradcheck(value, (now, other))


def test_coarse_logits_are_enlarged_first() -> None:
    images = torch.zeros(1, 3, 8, 8)
    step = step_of([FrameOutputs(images, torch.zeros(1, 2, 2, 2)), FrameOutputs(images, torch.ones(1, 2, 2, 2))])
    assert float(TemporalLoss("logits", "visible")(step)) == pytest.approx(1.0)
