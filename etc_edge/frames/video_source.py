"""A video file as a source, decoded by FFmpeg through PyAV."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from etc_edge.core.errors import SourceError
from etc_edge.frames.decoder import opened_container
from etc_edge.frames.frame import Frame
from etc_edge.frames.source import ASSUMED_FPS, Source, path_of

# A file may announce a few frames that its edit list then hides; a file that was cut short lacks many more.
MISSING_SHARE = 0.02
MISSING_FRAMES = 3


class VideoSource(Source):
    """Every frame of a video file, upright, in order; each iteration opens the file anew.

    Attributes:
        path: the file.
        decoder: what decodes it, `software` or a device type of FFmpeg's.

    Raises:
        SourceError: the file is missing, is no video, or holds no frame that can be decoded.
    """

    def __init__(self, path: Path) -> None:
        self.name, self.live = str(path), False
        self.path = path
        self._closed = False
        if not path.exists():
            raise SourceError(
                f"Found no video {path}.", "Try the path of a video file, a folder of images or a camera."
            )
        if not path.is_file():
            raise SourceError(f"Found {path}, which is no file.")
        with opened_stream(path) as (stream, self.decoder):
            self.fps = stream.average_rate or stream.guessed_rate
            self.frame_count = stream.frames or None
        frames = self._decode()
        first = next(frames, None)
        frames.close()
        if first is None:
            raise SourceError(f"Found no frames in {path}, expected one or more.")
        self.size_hw = int(first.image_rgb.shape[0]), int(first.image_rgb.shape[1])

    def __iter__(self) -> Iterator[Frame]:
        return self._decode()

    def _decode(self) -> Generator[Frame, None, None]:
        import av

        to_rgb = av.video.reformatter.VideoReformatter()
        index, begun_s, time_s = 0, None, 0.0
        with opened_stream(self.path) as (stream, _):
            announced_s = _announced_s(stream)
            try:
                for decoded in stream.container.decode(stream):
                    if self._closed:
                        return
                    untimed_s = float(index / (self.fps or ASSUMED_FPS))
                    time_s = untimed_s if decoded.time is None else decoded.time
                    begun_s = time_s if begun_s is None else begun_s
                    yield Frame(upright_rgb(decoded, to_rgb), index, time_s - begun_s)
                    index += 1
            except (av.error.FFmpegError, ValueError, IndexError) as error:
                # IndexError: PyAV does not find a stream that damaged data has given another number.
                raise SourceError(
                    f"Found damaged data in {self.path} after {index} frames.", "Is the file complete?"
                ) from error
        if not index:
            return
        cut_short = "The file was cut short."
        if (self.frame_count or 0) - index > max(MISSING_FRAMES, MISSING_SHARE * (self.frame_count or 0)):
            raise SourceError(
                f"Found {index} frames in {self.path}, expected the {self.frame_count} that it announces.", cut_short
            )
        if announced_s - time_s > 1 + MISSING_SHARE * announced_s:
            raise SourceError(
                f"Found {time_s:.1f} s of video in {self.path}, expected the {announced_s:.1f} that it announces.",
                cut_short,
            )

    def close(self) -> None:
        """See Source."""
        self._closed = True


def open_video(spec: str) -> VideoSource:
    """Open a video file.

    Raises:
        SourceError: the file is missing, is no video, or holds no frame that can be decoded.
    """
    return VideoSource(Path(path_of(spec, "video")))


@contextmanager
def opened_stream(path: Path) -> Iterator[tuple[Any, str]]:
    """A file's first video stream, and what decodes it."""
    import av

    with ExitStack() as stack:
        try:
            # By its protocol, or a name with a colon would be taken for an address.
            container, by = stack.enter_context(opened_container(f"file:{path}"))
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise SourceError(f"Found {path}, which is no video that can be read: {reason_of(error)}.") from error
        if not container.streams.video:
            raise SourceError(f"Found no video stream in {path}.")
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        yield stream, by


def _announced_s(stream: Any) -> float:
    """When a container that does not count its frames says that it ends; 0 where sound may outlast the pictures."""
    container = stream.container
    if stream.frames or len(container.streams) > 1 or not container.duration:
        return 0.0
    return float((container.start_time or 0) + container.duration) / 1e6


def upright_rgb(decoded: Any, to_rgb: Any) -> npt.NDArray[np.uint8]:
    """A decoded frame as it is meant to be seen, uint8 (H, W, 3); `to_rgb` is a `VideoReformatter` that is kept."""
    image = to_rgb.reformat(decoded, format="rgb24").to_ndarray()
    # Phones film as they are held and note the turn, in degrees counter-clockwise.
    turns = round(getattr(decoded, "rotation", 0) / 90) % 4
    if turns:
        image = np.ascontiguousarray(np.rot90(image, turns))
    return np.asarray(image, np.uint8)


def reason_of(error: Exception) -> str:
    """What FFmpeg or the system says, without a full stop."""
    return str(getattr(error, "strerror", None) or error).rstrip(".")
