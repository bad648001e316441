"""Multi-frame distillation: the ConvLSTM against torch's LSTM cell, the loss by hand, and that it does not collapse."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from etc_edge.losses.multi_frame import ConvLstm, MultiFrameDistillation, multi_frame_loss
from etc_edge.losses.pairwise import similarity
from etc_edge.losses.term import FrameOutputs
from tests.loss_steps import step_of, taught


def test_one_pixel_is_torchs_lstm_cell() -> None:
    """On one pixel only the middle of each kernel acts: a plain LSTM, whose gates torch orders i, f, g, o."""
    torch.manual_seed(0)
    ours = ConvLstm(1, 4)
    plain = nn.LSTMCell(1, 4)
    middle = ours.gates.weight[:, :, 1, 1].detach()
    bias = ours.gates.bias
    assert bias is not None
    enter, forget, leave, candidate = range(4)
    order = [part * 4 + index for part in (enter, forget, candidate, leave) for index in range(4)]
    with torch.no_grad():
        plain.weight_ih.copy_(middle[order, :1])
        plain.weight_hh.copy_(middle[order, 1:])
        plain.bias_ih.copy_(bias[order])
        plain.bias_hh.zero_()
    sequence = [torch.randn(3, 1, 1, 1) for _ in range(3)]
    hidden, cell = torch.zeros(3, 4), torch.zeros(3, 4)
    for one in sequence:
        hidden, cell = plain(one[:, :, 0, 0], (hidden, cell))
    found_hidden, found_cell = ours(sequence)
    torch.testing.assert_close(found_hidden[:, :, 0, 0], hidden)
    torch.testing.assert_close(found_cell[:, :, 0, 0], cell)


def test_the_loss_by_hand() -> None:
    lstm = ConvLstm(1, 2)
    ours, theirs = ([torch.rand(1, 1, 4, 4) for _ in range(3)] for _ in range(2))
    hidden, cell = lstm(ours)
    their_hidden, their_cell = lstm(theirs)
    expected = ((cell - their_cell) ** 2).mean() + ((hidden - their_hidden) ** 2).mean() + 0.5 * (1 - their_cell).mean()
    torch.testing.assert_close(multi_frame_loss(lstm, ours, theirs, 0.5), expected)
    torch.testing.assert_close(multi_frame_loss(lstm, ours, ours, 0.5), 0.5 * (1 - cell).mean())


def three_frames(seed: int = 0) -> tuple[list[FrameOutputs], list[torch.Tensor]]:
    torch.manual_seed(seed)
    images, logits = torch.zeros(1, 3, 32, 32), torch.zeros(1, 2, 4, 4)
    frames = [FrameOutputs(images, logits, None, torch.randn(1, 6, 4, 4, requires_grad=True)) for _ in range(3)]
    return frames, [torch.randn(1, 5, 2, 2) for _ in range(3)]


def test_frames_are_taken_in_the_order_of_time() -> None:
    """The labelled frame comes first in the sample and lies between the other two."""
    term = MultiFrameDistillation((2, 2))
    frames, features = three_frames()
    step = step_of(frames, teacher=[taught(frame.logits, one) for frame, one in zip(frames, features, strict=True)])

    def images(maps: list[torch.Tensor]) -> list[torch.Tensor]:
        cells = [nn.functional.adaptive_avg_pool2d(one, (2, 2)) for one in maps]
        return [similarity(one, one)[:, None] for one in (cells[1], cells[0], cells[2])]

    ours = images([frame.features for frame in frames])  # type: ignore[misc]
    torch.testing.assert_close(term(step), multi_frame_loss(term.lstm, ours, images(features), 1.0))


def test_it_learns_without_collapsing() -> None:
    """Trained alone, the ConvLSTM must not make student and teacher look alike by forgetting both."""
    term = MultiFrameDistillation((2, 2), hold=1.0)
    frames, features = three_frames()
    step = step_of(frames, teacher=[taught(frame.logits, one) for frame, one in zip(frames, features, strict=True)])
    optimizer = torch.optim.Adam(term.parameters(), lr=0.05)
    for _ in range(100):
        optimizer.zero_grad()
        term(step).backward()
        optimizer.step()
    cells = [similarity(one, one)[:, None] for one in features]
    _, cell = term.lstm([cells[1], cells[0], cells[2]])
    assert float(cell.detach().mean()) > 0.5
    largest = max(float(weight.detach().abs().max()) for weight in term.parameters())
    assert largest <= 0.5 + 0.1, "one step after they were last bounded"


def test_the_students_features_get_the_gradient() -> None:
    term = MultiFrameDistillation((2, 2))
    frames, features = three_frames()
    teacher = [taught(frame.logits, one.requires_grad_()) for frame, one in zip(frames, features, strict=True)]
    term(step_of(frames, teacher=teacher)).backward()
    for frame, one in zip(frames, features, strict=True):
        assert frame.features is not None
        assert frame.features.grad is not None
        assert float(frame.features.grad.abs().sum()) > 0
        assert one.grad is None
    assert term.lstm.gates.weight.grad is not None


@pytest.mark.parametrize("size", [(4, 4), (8, 10)])
def test_the_images_are_as_large_as_the_cells_say(size: tuple[int, int]) -> None:
    features = torch.randn(1, 4, 45, 60)
    cells = nn.functional.adaptive_avg_pool2d(features, size)
    assert similarity(cells, cells).shape[1:] == (size[0] * size[1],) * 2
