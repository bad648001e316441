"""The frames of a video file by number."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from etc_edge.core.errors import SourceError
from etc_edge.frames.video_source import opened_stream, reason_of, upright_rgb

KEPT = 8
"""Decoded frames that are kept: neighbours are asked for one after another, and decoding goes forward only."""


class VideoFrames:
    """Frames by number, in any order.

    Times of all frames are read once, without decoding. A frame is reached from the key frame before it, and those just
    before it are kept on the way.

    Args:
        path: of the file.

    Raises:
        SourceError: it is no video, or its frames have no times to tell them by.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with opened_stream(path) as (stream, _):
            self.fps: Fraction | None = stream.average_rate or stream.guessed_rate
            times, keys = _times(stream, path)
        self._times, self._keys = times, keys
        self._number = {time: index for index, time in enumerate(times)}
        self._kept: dict[int, npt.NDArray[np.uint8]] = {}

    def __len__(self) -> int:
        return len(self._times)

    def __getitem__(self, index: int) -> npt.NDArray[np.uint8]:
        """Frame `index`, uint8 (H, W, 3); not to be changed.

        Raises:
            IndexError: no such frame.
            SourceError: it cannot be decoded.
        """
        if not 0 <= index < len(self):
            raise IndexError(index)
        if index not in self._kept:
            self._decode(index)
        return self._kept[index]

    def _decode(self, index: int) -> None:
        first = max((key for key in self._keys if key <= self._times[index]), default=self._times[0])
        self._decode_from(first, index)
        if index not in self._kept:
            # Containers without an index, such as MPEG-TS, land where they like.
            self._decode_from(None, index)
        if index not in self._kept:
            raise SourceError(f"Found no frame {index} in {self._path}, which announces {len(self)}.")

    def _decode_from(self, time: int | None, index: int) -> None:
        """Decode up to frame `index` from a key frame, or from the beginning."""
        import av

        to_rgb = av.video.reformatter.VideoReformatter()
        with opened_stream(self._path) as (stream, _):
            try:
                if time is not None:
                    stream.container.seek(time, stream=stream, backward=True)
                for decoded in stream.container.decode(stream):
                    number = self._number.get(decoded.pts)
                    if number is not None and index - KEPT < number <= index:
                        self._keep(number, upright_rgb(decoded, to_rgb))
                    if number is not None and number >= index:
                        break
            except (av.error.FFmpegError, ValueError, IndexError) as error:
                raise SourceError(
                    f"Found damaged data in {self._path} before frame {index}: {reason_of(error)}.",
                    "Is the file complete?",
                ) from error

    def _keep(self, number: int, image: npt.NDArray[np.uint8]) -> None:
        self._kept.pop(number, None)
        self._kept[number] = image
        while len(self._kept) > 2 * KEPT:
            self._kept.pop(next(iter(self._kept)))


def open_video_frames(path: Path) -> VideoFrames:
    """Frames of a video file by number.

    Raises:
        SourceError: it is no video, or its frames have no times to tell them by.
    """
    return VideoFrames(path)


def _times(stream: Any, path: Path) -> tuple[list[int], list[int]]:
    """Presentation times of all frames in order, and of the key frames."""
    import av

    try:
        packets = [(packet.pts, packet.is_keyframe) for packet in stream.container.demux(stream) if packet.size]
    except (av.error.FFmpegError, ValueError, IndexError) as error:
        raise SourceError(f"Found {path}, which cannot be read to its end: {reason_of(error)}.") from error
    times = sorted({time for time, _ in packets if time is not None})
    if not times or len(times) < len(packets):
        raise SourceError(
            f"Found {len(packets)} frames and {len(times)} times in {path}, expected one time a frame.",
            "Convert it to MP4 or MKV, or to a folder of pictures.",
        )
    return times, sorted(time for time, is_key in packets if is_key and time is not None)
