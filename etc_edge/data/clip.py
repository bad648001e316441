"""A clip: consecutive frames of one camera with what is known about each.

It is the unit that calibration and evaluation speak of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class ClipFrame:
    """One frame of a clip and its ground truth, as far as there is any.

    Args:
        index: position in the clip, from 0.
        image_rgb: uint8 (H, W, 3), C-contiguous.
        labels: uint8 (H, W), class or void, or None where the frame is not labelled.
        flow_to_next: float32 (H, W, 2), displacement (x, y) in pixels from this frame to the next, or None.
        visible_in_next: bool (H, W), whether the pixel's surface is seen in the next frame, or None.
    """

    index: int
    image_rgb: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8] | None = None
    flow_to_next: npt.NDArray[np.float32] | None = None
    visible_in_next: npt.NDArray[np.bool_] | None = None


class Clip(Protocol):
    """Consecutive frames of one camera; a still image is a clip of length 1.

    Frames are read when they are asked for, so a clip is cheap to hold and can be sent to another process.
    """

    @property
    def name(self) -> str:
        """A name that is unique within the split."""

    @property
    def fps(self) -> Fraction | None:
        """Frames a second, or None for a still and where it is not known."""

    @property
    def labelled(self) -> Sequence[int]:
        """Indices of the frames that have labels, ascending."""

    def __len__(self) -> int:
        """Number of frames, at least 1."""

    def __getitem__(self, index: int, /) -> ClipFrame:
        """Read frame `index` (0 ≤ index < len).

        Raises:
            IndexError: no such frame.
            DatasetError: the frame's files are missing, damaged or do not fit each other.
        """
