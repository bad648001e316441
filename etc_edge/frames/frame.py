"""A frame, and a frame with its labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture of a source.

    Args:
        image_rgb: uint8 (H, W, 3), red first, C-contiguous.
        index: position in the source, from 0.
        timestamp_s: seconds since the source's first frame.
    """

    image_rgb: npt.NDArray[np.uint8]
    index: int
    timestamp_s: float


@dataclass(frozen=True, slots=True, eq=False)
class SegmentedFrame:
    """A frame and what the network made of it.

    Args:
        frame: what was labelled.
        labels: uint8 (H, W) at the frame's size.
        latency_ms: milliseconds from the frame in hand to its labels in hand.
    """

    frame: Frame
    labels: npt.NDArray[np.uint8]
    latency_ms: float

    @property
    def index(self) -> int:
        """Position in the source, from 0."""
        return self.frame.index

    @property
    def timestamp_s(self) -> float:
        """Seconds since the source's first frame."""
        return self.frame.timestamp_s
