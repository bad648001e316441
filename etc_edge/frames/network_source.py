"""A stream from the network as a live source: RTSP, HTTP (MJPEG among others), MPEG-TS over TCP or UDP; by FFmpeg."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from etc_edge.core.errors import SourceError
from etc_edge.frames.decoder import SOFTWARE, opened_container
from etc_edge.frames.live_source import LEAST_PAUSE_S, SILENCE_S, Gone, LiveSource, Picture
from etc_edge.frames.video_source import reason_of, upright_rgb

TRANSPORTS = ("tcp", "udp")

# How long a server may take to answer.
OPEN_S = 10.0

# How much FFmpeg may look at before it says what a stream is, in microseconds: its own 5 s would be waited for.
PROBE_US = 1_000_000

# Formats that carry no times: FFmpeg counts frames and takes them for 25 a second.
UNTIMED = ("mpjpeg", "mjpeg")


class NetworkSource(LiveSource):
    """Frames of a stream as they come; timestamps are those of the stream, as its server made them.

    Args:
        address: as FFmpeg takes it.
        transport: of RTSP, `tcp` or `udp`.
        open_s: how long a server may take to answer.
        silence_s: how long a stream may be silent before it is opened again.
        least_pause_s, told: see LiveSource.

    Attributes:
        damaged: packets that could not be decoded.
        decoder: what decodes it, `software` or a device type of FFmpeg's.

    Raises:
        SourceError: it cannot be opened the first time, or gives no frame.
    """

    def __init__(
        self,
        address: str,
        transport: str = "tcp",
        open_s: float = OPEN_S,
        silence_s: float = SILENCE_S,
        least_pause_s: float = LEAST_PAUSE_S,
        told: Callable[[str], None] | None = None,
    ) -> None:
        self.damaged, self.decoder = 0, SOFTWARE
        self._address, self._transport = address, transport
        self._timeout_s = open_s, silence_s
        super().__init__(without_password(address), least_pause_s, told)

    def _connect(self) -> Generator[Picture, None, None]:
        import av

        try:
            yield from self._decoded()
        except (av.error.FFmpegError, OSError, ValueError, IndexError) as error:
            raise Gone(reason_of(error)) from error

    def _decoded(self) -> Generator[Picture, None, None]:
        import av

        to_rgb = av.video.reformatter.VideoReformatter()
        with self._opened() as stream:
            timed = stream.container.format.name not in UNTIMED
            self.fps = self.fps or ((stream.average_rate or stream.guessed_rate) if timed else None)
            for packet in stream.container.demux(stream):
                if self._closed.is_set():
                    return
                try:
                    decoded = packet.decode()
                except av.error.InvalidDataError:
                    self.damaged += 1
                    continue
                for picture in decoded:
                    if self._closed.is_set():
                        return
                    yield upright_rgb(picture, to_rgb), picture.time if timed else None

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        options = {"analyzeduration": str(PROBE_US)}
        if self._address.lower().startswith("rtsp:"):
            options["rtsp_transport"] = self._transport
        with opened_container(self._address, container_options=options, timeout=self._timeout_s) as (container, by):
            if not container.streams.video:
                raise Gone("it has no video stream")
            self.decoder = by
            stream = container.streams.video[0]
            # Decoding whole frames in parallel would hold each back until others have come.
            stream.thread_type = "SLICE"
            yield stream


def open_network(spec: str) -> NetworkSource:
    """Open an address; `?transport=udp` chooses UDP for RTSP.

    Raises:
        SourceError: it cannot be opened, gives no frame, or the transport is unknown.
    """
    parts = urlsplit(spec)
    if parts.scheme.lower() != "rtsp":
        return NetworkSource(spec)
    query = parse_qsl(parts.query, keep_blank_values=True)
    transport = dict(query).get("transport", TRANSPORTS[0])
    if transport not in TRANSPORTS:
        raise SourceError(f"Found the transport {transport!r} in {without_password(spec)}, expected tcp or udp.")
    kept = urlencode([pair for pair in query if pair[0] != "transport"])
    return NetworkSource(urlunsplit(parts._replace(query=kept)), transport)


def without_password(address: str) -> str:
    """An address as it may be shown."""
    parts = urlsplit(address)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
