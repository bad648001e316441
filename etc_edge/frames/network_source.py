"""A stream from the network as a live source: RTSP, HTTP (MJPEG among others), MPEG-TS over TCP or UDP; by FFmpeg."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from fractions import Fraction
from threading import Event
from typing import Any, Literal
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import numpy as np
import numpy.typing as npt

from etc_edge.core.errors import SourceError
from etc_edge.frames.frame import Frame
from etc_edge.frames.source import Source
from etc_edge.frames.video_source import reason_of, upright_rgb

UInt8 = npt.NDArray[np.uint8]

TRANSPORTS = ("tcp", "udp")

# How long a server may take to answer, and how long a stream may be silent before it counts as gone.
OPEN_S, SILENCE_S = 10.0, 5.0

# Between two attempts to open it again; each pause is twice the last, until a frame comes.
LEAST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0

# A stream's clock that is further than this from ours has jumped, and is set by ours again.
MOST_APART_S = 10.0

# How much FFmpeg may look at before it says what a stream is, in microseconds: its own 5 s would be waited for.
PROBE_US = 1_000_000

# Formats that carry no times: FFmpeg counts frames and takes them for 25 a second.
UNTIMED = ("mpjpeg", "mjpeg")


class NetworkSource(Source):
    """Frames of a stream as they come; one that goes away is opened again, until the source is closed.

    Timestamps are those of the stream, as its server made them, else those of arrival: seconds since the first frame,
    going on by this machine's clock while the stream is away.

    Args:
        address: as FFmpeg takes it.
        transport: of RTSP, `tcp` or `udp`.
        open_s: how long a server may take to answer.
        silence_s: how long a stream may be silent before it is opened again.
        least_pause_s: how long to wait before the first attempt to open it again.
        told: told in a line when the stream goes away and when it is back.

    Attributes:
        reopened: how often it was opened again.
        damaged: packets that could not be decoded.

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
        import av

        self.name, self.frame_count, self.live = _without_password(address), None, True
        self.fps: Fraction | None = None
        self.reopened, self.damaged, self.told = 0, 0, told
        self._waiting = False
        self._address, self._transport = address, transport
        self._timeout_s = open_s, silence_s
        self._least_pause_s = least_pause_s
        self._closed = Event()
        self._pictures = self._connect()
        try:
            self._first: tuple[UInt8, float | None] | None = next(self._pictures, None)
        except (av.error.FFmpegError, OSError, ValueError, IndexError) as error:
            raise SourceError(f"Found {self.name}, which cannot be opened: {reason_of(error)}.") from error
        if self._first is None:
            raise SourceError(f"Found no frames in {self.name}, expected one or more.")
        self.size_hw = int(self._first[0].shape[0]), int(self._first[0].shape[1])

    def __iter__(self) -> Iterator[Frame]:
        import av

        begun, index, last_s, pause_s = time.monotonic(), 0, 0.0, self._least_pause_s
        pictures = self._from_first()
        while True:
            clock_s: float | None = None
            reason = "its server ended it"
            try:
                for image, time_s in pictures:
                    now_s = time.monotonic() - begun
                    if clock_s is None:
                        self._came(index)
                    at_s = now_s if time_s is None else (now_s - time_s if clock_s is None else clock_s) + time_s
                    if abs(at_s - now_s) > MOST_APART_S:
                        at_s = now_s
                    clock_s = at_s - (time_s or 0.0)
                    last_s = max(last_s, at_s)
                    pause_s = self._least_pause_s
                    yield Frame(image, index, last_s)
                    index += 1
            except (SourceError, av.error.FFmpegError, OSError, ValueError, IndexError) as error:
                reason = reason_of(error)
            if self._closed.is_set():
                return
            self._waiting = True
            self._tell(f"{self.name} is gone after {index} frames ({reason}); trying again in {pause_s:g} s")
            if self._closed.wait(pause_s):
                return
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            pictures = self._connect()

    def close(self) -> None:
        """See Source; any thread may close it, and a read that is under way ends with its time for silence."""
        self._closed.set()

    @property
    def state(self) -> Literal["streaming", "waiting", "closed"]:
        """What it does; any thread may ask."""
        return "closed" if self._closed.is_set() else "waiting" if self._waiting else "streaming"

    def _came(self, index: int) -> None:
        self._waiting = False
        if index:
            self.reopened += 1
            self._tell(f"{self.name} is back")

    def _tell(self, message: str) -> None:
        if self.told is not None:
            self.told(message)

    def _from_first(self) -> Generator[tuple[UInt8, float | None], None, None]:
        first, self._first = self._first, None
        if first is not None and not self._closed.is_set():
            yield first
        yield from self._pictures

    def _connect(self) -> Generator[tuple[UInt8, float | None], None, None]:
        """Pictures of one connection, uint8 (H, W, 3) of whatever size each has, and their times in seconds."""
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
        import av

        options = {"analyzeduration": str(PROBE_US)}
        if self._address.lower().startswith("rtsp:"):
            options["rtsp_transport"] = self._transport
        with av.open(
            self._address, container_options=options, timeout=self._timeout_s, metadata_errors="replace"
        ) as container:
            if not container.streams.video:
                raise SourceError(f"Found no video stream in {self.name}.")
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
        raise SourceError(f"Found the transport {transport!r} in {_without_password(spec)}, expected tcp or udp.")
    kept = urlencode([pair for pair in query if pair[0] != "transport"])
    return NetworkSource(urlunsplit(parts._replace(query=kept)), transport)


def _without_password(address: str) -> str:
    parts = urlsplit(address)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
