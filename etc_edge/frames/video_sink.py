"""An H.264 video of the results, encoded by x264 through PyAV."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from etc_edge.core.errors import SinkError
from etc_edge.frames.frame import SegmentedFrame
from etc_edge.frames.pending import Pending, failure
from etc_edge.frames.sink import Sink

UInt8 = npt.NDArray[np.uint8]
SUFFIXES = (".mp4", ".mov", ".mkv")

# Matrix coefficients and range by their numbers in ITU-T H.273 and in FFmpeg.
BT601, VIDEO_RANGE = 6, 1

MILLISECOND = Fraction(1, 1000)


class VideoSink(Sink):
    """Writes one video file; its size is that of the first frame, rounded up to even numbers.

    The file appears under its name when it is closed, whole and playable.

    Args:
        path: where to; `.mp4`, `.mov` or `.mkv`.
        fps: frames a second, exactly.
        draw: makes the picture of a result, uint8 (H, W, 3), red first; `Overlay` is one.
        preset: x264's speed, from `ultrafast` to `veryslow`.
        crf: x264's quality; 18 is nearly lossless, 28 is coarse.
        threads: of the encoder.
        timed: show each frame at its own time, in milliseconds since the first, instead of one after another: what is
            live leaves frames out, and would play too fast.

    Raises:
        SinkError: the suffix is not one of these.
    """

    def __init__(
        self,
        path: Path,
        fps: Fraction,
        draw: Callable[[SegmentedFrame], UInt8],
        preset: str = "ultrafast",
        crf: int = 23,
        threads: int = 1,
        timed: bool = False,
    ) -> None:
        self.path = Path(path)
        if self.path.suffix.lower() not in SUFFIXES:
            raise SinkError(
                f"Found the video name {self.path.name!r}, expected one that ends in {', '.join(SUFFIXES)}."
            )
        self.frames = 0
        self._fps, self._draw = Fraction(fps), draw
        self._options = {"preset": preset, "crf": str(crf)}
        self._threads = threads
        self._timed = timed
        self._begun_s, self._last_pts = 0.0, -1
        self._pending: Pending | None = None
        self._container: Any = None
        self._stream: Any = None

    def write(self, result: SegmentedFrame) -> None:
        """See Sink."""
        import av
        import cv2

        picture = self._draw(result)
        try:
            if self._container is None:
                self._begin(picture)
            picture = self._fitted(picture)
            # A quarter of the time that FFmpeg's own conversion takes.
            planes = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420), np.uint8)
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts, frame.time_base = self._place(result)
            self._container.mux(self._stream.encode(frame))
        except (av.error.FFmpegError, OSError) as error:
            self.abort()
            raise failure(self.path, error) from error
        self.frames += 1

    def close(self) -> None:
        """See Sink; without a frame there is no file."""
        import av

        if self._container is None or self._pending is None:
            return
        try:
            self._container.mux(self._stream.encode(None))
            self._container.close()
        except (av.error.FFmpegError, OSError) as error:
            self.abort()
            raise failure(self.path, error) from error
        self._container = None
        self._pending.keep()

    def abort(self) -> None:
        """See Sink."""
        container, self._container = self._container, None
        pending, self._pending = self._pending, None
        if container is not None:
            with suppress(Exception):
                container.close()
        if pending is not None:
            pending.discard()

    def _begin(self, picture: UInt8) -> None:
        import av

        self._pending = Pending(self.path)
        options = {"movflags": "+faststart"} if self.path.suffix.lower() in (".mp4", ".mov") else {}
        self._container = av.open(f"file:{self._pending.temporary}", "w", options=options)
        self._stream = self._container.add_stream("libx264", rate=self._fps, options=self._options)
        height, width = picture.shape[:2]
        self._stream.height, self._stream.width = height + height % 2, width + width % 2
        self._stream.pix_fmt = "yuv420p"
        if self._timed:
            self._stream.codec_context.time_base = MILLISECOND
        self._stream.codec_context.thread_count = self._threads
        # What OpenCV converts to; untold, players take large pictures for BT.709 and shift their colours.
        self._stream.codec_context.colorspace = BT601
        self._stream.codec_context.color_range = VIDEO_RANGE

    def _place(self, result: SegmentedFrame) -> tuple[int, Fraction]:
        """When a frame is shown, as a number and its unit in seconds."""
        if not self._timed:
            return self.frames, 1 / self._fps
        if not self.frames:
            self._begun_s = result.timestamp_s
        self._last_pts = max(self._last_pts + 1, round((result.timestamp_s - self._begun_s) / MILLISECOND))
        return self._last_pts, MILLISECOND

    def _fitted(self, picture: UInt8) -> UInt8:
        height, width = self._stream.height, self._stream.width
        tall, wide = picture.shape[:2]
        if (tall, wide) == (height, width):
            return np.ascontiguousarray(picture)
        if 0 <= height - tall <= 1 and 0 <= width - wide <= 1:
            # Half-resolution colour needs even sizes: repeat the last row and column.
            return np.pad(picture, ((0, height - tall), (0, width - wide), (0, 0)), mode="edge")
        import cv2

        return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
