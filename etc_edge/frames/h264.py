"""Pictures as H.264, encoded by x264 through PyAV: the part that files and streams have in common."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from sys import getrefcount
from typing import Any

import numpy as np
import numpy.typing as npt

UInt8 = npt.NDArray[np.uint8]

# Matrix coefficients and range by their numbers in ITU-T H.273 and in FFmpeg.
BT601, VIDEO_RANGE = 6, 1

# References to an array that only a track holds: its own, and the one that is made to count them.
OURS = 2


class H264Track:
    """The video stream of an output; its size is that of the first picture, rounded up to even numbers.

    Args:
        container: an output of PyAV's, to which a stream is added.
        size_hw: height and width of the first picture, in pixels.
        fps: frames a second, exactly; what the stream says of itself.
        time_base: the unit of the times, in seconds.
        options: of x264, such as `preset` and `qp`.
        threads: of the encoder.
    """

    def __init__(
        self,
        container: Any,
        size_hw: tuple[int, int],
        fps: Fraction,
        time_base: Fraction,
        options: Mapping[str, str],
        threads: int,
    ) -> None:
        self._container, self._time_base = container, time_base
        self._stream = container.add_stream("libx264", rate=fps, options=dict(options))
        height, width = size_hw
        self.size_hw = height + height % 2, width + width % 2
        self._stream.height, self._stream.width = self.size_hw
        self._planes = np.empty((self.size_hw[0] * 3 // 2, self.size_hw[1]), np.uint8)
        self._stream.pix_fmt = "yuv420p"
        context = self._stream.codec_context
        context.time_base = time_base
        context.thread_count = threads
        # What OpenCV converts to; untold, players take large pictures for BT.709 and shift their colours.
        context.colorspace = BT601
        context.color_range = VIDEO_RANGE

    def write(self, picture_rgb: UInt8, time: int) -> None:
        """Encode a picture, uint8 (H, W, 3), that is shown from `time` on; one of another size is fitted."""
        import av
        import cv2

        # A quarter of the time that FFmpeg's own conversion takes.
        fitted, free = self._fitted(picture_rgb), self._free_planes()
        planes = np.asarray(cv2.cvtColor(fitted, cv2.COLOR_RGB2YUV_I420, dst=free), np.uint8)
        # Without a copy the frame keeps the array for as long as the encoder keeps the frame; PyAV 18 loses rows of
        # heights that are no multiple of four.
        whole = len(planes) % 6 == 0
        frame = (av.VideoFrame.from_numpy_buffer if whole else av.VideoFrame.from_ndarray)(planes, format="yuv420p")
        frame.pts, frame.time_base = time, self._time_base
        self._container.mux(self._stream.encode(frame))

    def _free_planes(self) -> UInt8:
        """An array for a picture's planes: the last one, as long as no frame keeps it. Fresh memory costs more."""
        if getrefcount(self._planes) > OURS:
            self._planes = np.empty_like(self._planes)
        return self._planes

    def finish(self) -> None:
        """Write what the encoder still holds."""
        self._container.mux(self._stream.encode(None))

    def _fitted(self, picture: UInt8) -> UInt8:
        (height, width), (tall, wide) = self.size_hw, picture.shape[:2]
        if (tall, wide) == (height, width):
            return np.ascontiguousarray(picture)
        if 0 <= height - tall <= 1 and 0 <= width - wide <= 1:
            # Half-resolution colour needs even sizes: repeat the last row and column.
            return np.pad(picture, ((0, height - tall), (0, width - wide), (0, 0)), mode="edge")
        import cv2

        return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
