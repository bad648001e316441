"""An H.264 video of the results, with the sound of its source."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

from etc_edge.core.errors import SinkError
from etc_edge.frames.frame import SegmentedFrame
from etc_edge.frames.h264 import H264Track, UInt8
from etc_edge.frames.pending import Pending, failure
from etc_edge.frames.sink import Sink
from etc_edge.frames.sound import Sound

SUFFIXES = (".mp4", ".mov", ".mkv")

MILLISECOND = Fraction(1, 1000)

# Times of files are given in this part of a frame: fine enough for frames that keep no rate.
PARTS_OF_A_FRAME = 1000

# A file's frames that are no further from the beat of its rate than this, in frames, are put on it: some containers
# keep whole milliseconds only.
OFF_BEAT = 0.25


class VideoSink(Sink):
    """Writes one video file; its size is that of the first frame, rounded up to even numbers.

    Each frame is shown at its own time since the first. The file appears under its name when it is closed, whole and
    playable.

    Args:
        path: where to; `.mp4`, `.mov` or `.mkv`.
        fps: frames a second, exactly.
        draw: makes the picture of a result, uint8 (H, W, 3), red first; `Overlay` is one.
        preset: x264's speed, from `ultrafast` to `veryslow`.
        qp: x264's quantizer of every picture, 0 to 51; 19 is nearly lossless, 29 is coarse.
        crf: x264's quality in its place: files become smaller, and writing them takes longer.
        threads: of the encoder.
        timed: frames keep no rate, and have their times in milliseconds; else those near the rate's beat are put on it.
        sound: a video file whose sound goes with the pictures, as long as they last.

    Raises:
        SinkError: the suffix is not one of these.
    """

    def __init__(
        self,
        path: Path,
        fps: Fraction,
        draw: Callable[[SegmentedFrame], UInt8],
        preset: str = "ultrafast",
        qp: int = 24,
        crf: int | None = None,
        threads: int = 1,
        timed: bool = False,
        sound: Path | None = None,
    ) -> None:
        self.path = Path(path)
        if self.path.suffix.lower() not in SUFFIXES:
            raise SinkError(
                f"Found the video name {self.path.name!r}, expected one that ends in {', '.join(SUFFIXES)}."
            )
        self.frames = 0
        self._fps, self._draw = Fraction(fps), draw
        self._options = {"preset": preset, **({"qp": str(qp)} if crf is None else {"crf": str(crf)})}
        self._threads = threads
        self._timed = timed
        self._unit_s = MILLISECOND if timed else 1 / (self._fps * PARTS_OF_A_FRAME)
        self._begun_s, self._last = 0.0, -1
        self._pending: Pending | None = None
        self._container: Any = None
        self._track: H264Track | None = None
        self._sound_path = sound
        self._sound: Sound | None = None

    def write(self, result: SegmentedFrame) -> None:
        """See Sink."""
        import av

        picture = self._draw(result)
        try:
            if self._track is None:
                self._track = self._begin(picture)
            time = self._place(result)
            self._copy_sound(float(time * self._unit_s))
            self._track.write(picture, time)
        except (av.error.FFmpegError, OSError, ValueError) as error:
            self.abort()
            raise failure(self.path, error) from error
        self.frames += 1

    def close(self) -> None:
        """See Sink; without a frame there is no file."""
        import av

        if self._container is None or self._pending is None or self._track is None:
            return
        try:
            self._copy_sound(float(self._last * self._unit_s + 1 / self._fps))
            self._track.finish()
            self._container.close()
        except (av.error.FFmpegError, OSError) as error:
            self.abort()
            raise failure(self.path, error) from error
        self._container = None
        self._let_sound_go()
        self._pending.keep()

    def abort(self) -> None:
        """See Sink."""
        container, self._container = self._container, None
        pending, self._pending = self._pending, None
        self._let_sound_go()
        if container is not None:
            with suppress(Exception):
                container.close()
        if pending is not None:
            pending.discard()

    def _begin(self, picture: UInt8) -> H264Track:
        import av

        self._pending = Pending(self.path)
        options = {"movflags": "+faststart"} if self.path.suffix.lower() in (".mp4", ".mov") else {}
        self._container = av.open(f"file:{self._pending.temporary}", "w", options=options)
        size_hw = int(picture.shape[0]), int(picture.shape[1])
        track = H264Track(self._container, size_hw, self._fps, self._unit_s, self._options, self._threads)
        if self._sound_path is not None:
            self._begin_sound(self._sound_path)
        return track

    def _begin_sound(self, path: Path) -> None:
        import av

        self._sound = Sound(path)
        try:
            self._sound.begin(self._container)
        except (av.error.FFmpegError, ValueError) as error:
            codecs = ", ".join(self._sound.codecs)
            self.abort()
            raise SinkError(
                f"Found sound of the codec {codecs} in {path}, which a {self.path.suffix} file cannot hold.",
                "Choose a name that ends in .mkv.",
            ) from error

    def _copy_sound(self, until_s: float) -> None:
        if self._sound is not None:
            self._sound.copy_until(until_s)

    def _let_sound_go(self) -> None:
        sound, self._sound = self._sound, None
        if sound is not None:
            sound.close()

    def _place(self, result: SegmentedFrame) -> int:
        """When a frame is shown, in units since the first."""
        if not self.frames:
            self._begun_s = result.timestamp_s
        since_s = result.timestamp_s - self._begun_s
        if not self._timed:
            beats = since_s * float(self._fps)
            if abs(beats - round(beats)) < OFF_BEAT and round(beats) * PARTS_OF_A_FRAME > self._last:
                self._last = round(beats) * PARTS_OF_A_FRAME
                return self._last
        self._last = max(self._last + 1, round(since_s / float(self._unit_s)))
        return self._last
