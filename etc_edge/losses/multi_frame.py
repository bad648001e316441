"""Multi-frame dependency MF: how a frame's inner likeness unfolds over three frames, should be the teacher's."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from etc_edge.losses.pairwise import pooled, similarity
from etc_edge.losses.term import Need, StepOutputs


class MultiFrameDistillation(nn.Module):
    """Squared difference of the final states of one ConvLSTM that reads student and teacher.

    The self-similarity of each of three frames is a one-channel image; in their order in time they go through a
    ConvLSTM whose weights both share (equation 6 of Liu et al., ECCV 2020). It learns with the student, so it could
    make the loss 0 by forgetting everything: a second term, mean (1 − cell of the teacher), holds it up, as in their
    released code, and its weights are kept in [−limit, limit], as in their paper.

    Args:
        cells_hw: features are averaged to this many cells first. The images have (rows · columns)² pixels a sample;
            the ConvLSTM keeps about 60 values of 4 bytes for each of three frames, student and teacher:
            1440 · (rows · columns)² · N bytes.
        hidden: channels of the ConvLSTM.
        hold: weight of the second term.
        limit: bound of the ConvLSTM's weights.
    """

    needs: frozenset[Need] = frozenset({"triple", "features", "teacher_features"})

    def __init__(
        self, cells_hw: tuple[int, int] = (8, 10), hidden: int = 4, hold: float = 1.0, limit: float = 0.5
    ) -> None:
        super().__init__()
        self._cells_hw, self._hold, self._limit = cells_hw, hold, limit
        self.lstm = ConvLstm(1, hidden)

    def forward(self, step: StepOutputs) -> Tensor:
        """See Term."""
        with torch.no_grad():
            for weight in self.lstm.parameters():
                weight.clamp_(-self._limit, self._limit)
        order = (1, 0, 2)
        ours = [self._likeness(step.frames[index].features) for index in order]
        theirs = [self._likeness(step.teacher[index].features).detach() for index in order]
        return multi_frame_loss(self.lstm, ours, theirs, self._hold)

    def _likeness(self, features: Tensor | None) -> Tensor:
        assert features is not None, "the trainer gives features to terms that need them"
        cells = pooled(features, self._cells_hw)
        return similarity(cells, cells)[:, None]


class ConvLstm(nn.Module):
    """A convolutional LSTM cell (Shi et al., NeurIPS 2015) with 3×3 kernels and without peepholes."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.gates = nn.Conv2d(inputs + hidden, 4 * hidden, 3, padding=1)

    def forward(self, sequence: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Final hidden and cell state, each (N, hidden, H, W), of a sequence of (N, inputs, H, W)."""
        first = sequence[0]
        cell = hidden = first.new_zeros(first.shape[0], self.hidden, *first.shape[2:])
        for image in sequence:
            enter, forget, leave, candidate = self.gates(torch.cat((image, hidden), 1)).chunk(4, 1)
            cell = forget.sigmoid() * cell + enter.sigmoid() * candidate.tanh()
            hidden = leave.sigmoid() * cell.tanh()
        return hidden, cell


def multi_frame_loss(lstm: ConvLstm, ours: list[Tensor], theirs: list[Tensor], hold: float) -> Tensor:
    """mean (C^S − C^T)² + mean (H^S − H^T)² + hold · mean (1 − C^T), C the final cell and H the hidden state.

    Args:
        lstm: shared by both.
        ours, theirs: self-similarity of each frame in its order in time, float (N, 1, h·w, h·w).
        hold: weight of the last term.
    """
    hidden, cell = lstm(ours)
    their_hidden, their_cell = lstm(theirs)
    difference = (cell - their_cell).square().mean() + (hidden - their_hidden).square().mean()
    total: Tensor = difference + hold * (1.0 - their_cell).mean()
    return total
