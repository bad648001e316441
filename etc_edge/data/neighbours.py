"""Clips to judge steadiness on, where a data set has neighbouring frames and where it has only stills."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from zlib import crc32

import numpy as np
import numpy.typing as npt

from etc_edge.data.clip import Clip, ClipFrame
from etc_edge.data.sampling import FrameKeys

SHIFT_PX, ZOOM, GAIN, NOISE_LEVELS = 4.0, 0.02, 0.03, 2.0
"""What a copy differs by: at most so far and so much larger, lighter or darker, and the sensor's noise."""


@dataclass(frozen=True)
class ClipPart:
    """Neighbouring frames of a clip; see Clip."""

    clip: Clip
    first: int
    count: int

    @property
    def name(self) -> str:
        """See Clip."""
        return f"{self.clip.name}+{self.first}"

    @property
    def fps(self) -> Fraction | None:
        """See Clip."""
        return self.clip.fps

    @property
    def labelled(self) -> Sequence[int]:
        """See Clip."""
        return [index - self.first for index in self.clip.labelled if self.first <= index < self.first + self.count]

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int, /) -> ClipFrame:
        if not 0 <= index < self.count:
            raise IndexError(index)
        return replace(self.clip[self.first + index], index=index)


@dataclass(frozen=True)
class MovedStill:
    """A still and a copy of it, moved as a camera moves and with noise of its own; their flow is exact. See Clip."""

    still: Clip

    @property
    def name(self) -> str:
        """See Clip."""
        return f"{self.still.name}+moved"

    @property
    def fps(self) -> Fraction | None:
        """See Clip."""
        return None

    @property
    def labelled(self) -> Sequence[int]:
        """See Clip: the copy has no labels."""
        return self.still.labelled

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int, /) -> ClipFrame:
        if not 0 <= index < 2:
            raise IndexError(index)
        frame = self.still[0]
        random = np.random.default_rng(crc32(self.still.name.encode()))
        height, width = frame.image_rgb.shape[:2]
        move = _camera(random, height, width)
        if index == 0:
            x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
            there = np.stack([x, y, np.ones_like(x)], -1) @ move.T.astype(np.float32)
            flow = np.asarray(there - np.stack([x, y], -1), np.float32)
            return replace(frame, index=0, flow_to_next=flow, visible_in_next=np.ones((height, width), np.bool_))
        import cv2

        moved = cv2.warpAffine(frame.image_rgb, move, (width, height), borderMode=cv2.BORDER_REFLECT)
        lit = moved * random.uniform(1 - GAIN, 1 + GAIN) + random.normal(0, NOISE_LEVELS, moved.shape)
        return ClipFrame(1, np.clip(np.round(lit), 0, 255).astype(np.uint8))


def pick_neighbours(clips: Sequence[Clip], frames: int, blocks: int) -> tuple[list[Clip], FrameKeys]:
    """Some frames of a split as clips of neighbours, in runs spread over it; stills stand beside moved copies.

    Args:
        clips: of the split.
        frames: how many frames; no more than there are.
        blocks: in how many runs; neighbours resemble each other, so that few runs keep what is picked apart from the
            rest, and many show more.

    Returns:
        The clips, and which frames of the split they were made from.
    """
    every = [(number, index) for number, clip in enumerate(clips) for index in range(len(clip))]
    frames, blocks = min(frames, len(every)), min(blocks, frames, len(every))
    chosen: dict[tuple[int, int], None] = {}
    for block in range(blocks):
        length = frames * (block + 1) // blocks - frames * block // blocks
        middle = (2 * block + 1) * len(every) // (2 * blocks)
        start = min(max(0, middle - length // 2), len(every) - length)
        chosen.update(dict.fromkeys(every[start : start + length]))
    runs: list[tuple[int, int, int]] = []
    for number, index in sorted(chosen):
        if runs and runs[-1][0] == number and runs[-1][1] + runs[-1][2] == index:
            runs[-1] = (number, runs[-1][1], runs[-1][2] + 1)
        else:
            runs.append((number, index, 1))
    parts = [ClipPart(clips[number], first, count) for number, first, count in runs]
    picked: list[Clip] = [MovedStill(part) if part.count == 1 else part for part in parts]
    return picked, frozenset((clips[number].name, index) for number, index in chosen)


def _camera(random: np.random.Generator, height: int, width: int) -> npt.NDArray[np.float64]:
    """An affine map from a pixel (x, y) of the still to its place in the copy, (2, 3)."""
    zoom = random.uniform(1 - ZOOM, 1 + ZOOM)
    shift = random.uniform(-SHIFT_PX, SHIFT_PX, 2)
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    return np.concatenate([np.eye(2) * zoom, (middle * (1 - zoom) + shift)[:, None]], 1)
