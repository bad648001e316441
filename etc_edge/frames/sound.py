"""The sound of a video file, copied to another beside its pictures, packet by packet and untouched."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Sound:
    """Every sound track of a file, on its way to an output.

    Args:
        path: a video file.

    Attributes:
        codecs: of its tracks, by FFmpeg's names.

    Raises:
        av.error.FFmpegError, OSError, ValueError: the file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        import av

        self._source = av.open(f"file:{path}", metadata_errors="replace")
        video = self._source.streams.video[0]
        # Pictures are counted from the first of them; sound may begin before it.
        self._begun_s = float((video.start_time or 0) * (video.time_base or 0))
        self._tracks = self._source.streams.audio
        self.codecs = tuple(track.codec_context.name for track in self._tracks)
        self._packets = iter(self._source.demux(self._tracks)) if self._tracks else iter(())
        self._next: Any = None
        self._container: Any = None
        self._places: dict[int, Any] = {}

    def begin(self, container: Any) -> None:
        """Add its tracks to an output of PyAV's, whose other tracks are there already.

        Raises:
            av.error.FFmpegError, ValueError: that kind of file cannot hold them.
        """
        self._container = container
        self._places = {track.index: container.add_stream_from_template(track) for track in self._tracks}
        container.start_encoding()

    def copy_until(self, time_s: float) -> None:
        """Write the sound that begins before a time, in seconds since the first picture."""
        for packet in self._before(time_s):
            shift = round(self._begun_s / packet.time_base)
            packet.dts = None if packet.dts is None else packet.dts - shift
            packet.pts = None if packet.pts is None else packet.pts - shift
            packet.stream = self._places[packet.stream.index]
            self._container.mux_one(packet)

    def close(self) -> None:
        """Let the file go."""
        self._source.close()

    def _before(self, time_s: float) -> Iterator[Any]:
        while True:
            packet = self._next if self._next is not None else next(self._packets, None)
            self._next = None
            # The last of each track is an empty one.
            if packet is None:
                return
            if packet.pts is None or not packet.size:
                continue
            if float(packet.pts * packet.time_base) - self._begun_s >= time_s:
                self._next = packet
                return
            yield packet
