"""A small video to read and results to write: a bright square that moves over a ramp."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from etc_edge.frames.frame import Frame, SegmentedFrame

SIZE_HW = (48, 64)


def picture(index: int, size_hw: tuple[int, int] = SIZE_HW) -> np.ndarray:
    """Frame `index`, uint8 (H, W, 3)."""
    height, width = size_hw
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0] = np.linspace(40, 200, width)
    image[..., 2] = np.linspace(20, 120, height)[:, None]
    left = 2 * index % (width - 10)
    image[10:20, left : left + 10] = (240, 240, 30)
    return image


def result(index: int, size_hw: tuple[int, int] = SIZE_HW) -> SegmentedFrame:
    """Frame `index` with the square as class 1 on class 0."""
    image = picture(index, size_hw)
    labels = (image[..., 1] > 100).astype(np.uint8)
    return SegmentedFrame(Frame(image, index, index / 25), labels, 5.0 + index)


def write_video(path: Path, frames: int, rate: Fraction = Fraction(25), codec: str = "libx264") -> Path:
    """Encode the first frames."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width = SIZE_HW
        stream.pix_fmt = "yuv420p"
        for index in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(index), format="rgb24")))
        container.mux(stream.encode(None))
    return path
