"""Which frames of a step a term with labels takes."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from etc_edge.losses.term import FrameOutputs, Need, StepOutputs

Frames = Literal["labelled", "all"]


class LabelledFrames:
    """The frames whose labels a term learns from.

    Args:
        frames: `labelled` takes the first frame alone, as ETC does; `all` takes every frame, for others whose labels
            are known because they are copies of the labelled one.
    """

    needs: frozenset[Need]

    def __init__(self, frames: Frames) -> None:
        self.needs = frozenset({"labels"} if frames == "labelled" else {"labels", "other_labels"})
        self._all = frames == "all"

    def of(self, step: StepOutputs) -> list[tuple[FrameOutputs, Tensor]]:
        """Frames and their labels, int64 (N, H, W)."""
        if not self._all:
            return [(step.frames[0], step.labels)]
        return list(zip(step.frames, (step.labels, *step.other_labels), strict=True))
