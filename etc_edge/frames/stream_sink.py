"""Results as live video to an address: RTSP to a server, MPEG-TS over TCP or UDP to whoever listens."""

from __future__ import annotations

import time
from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from etc_edge.core.errors import SinkError
from etc_edge.frames.frame import SegmentedFrame
from etc_edge.frames.h264 import UInt8
from etc_edge.frames.live_source import LEAST_PAUSE_S, LONGEST_PAUSE_S
from etc_edge.frames.network_source import TRANSPORTS, without_password
from etc_edge.frames.sink import Sink
from etc_edge.frames.video_source import reason_of

if TYPE_CHECKING:
    from etc_edge.frames.sending import Sending
    from etc_edge.frames.sending_child import SendingChild

# What an address begins with, and what FFmpeg calls the form in which it is sent.
FORMATS = {"rtsp": "rtsp", "tcp": "mpegts", "udp": "mpegts"}

# How long a receiver may take to answer, or to take what it is sent.
SILENCE_S = 5.0

# Seconds between pictures from which a receiver can begin.
KEY_FRAMES_S = 2

# A datagram holds whole packets of MPEG-TS, and fits into one of Ethernet.
UDP_BYTES = 7 * 188


class StreamSink(Sink):
    """Sends results as H.264 as they come; a receiver that goes away is looked for again, and results meanwhile lost.

    One that keeps its connection and reads no more has gone away too: FFmpeg gives up on TCP itself, and what sends
    RTSP, where it waits without end, is a process of its own that is ended.

    Args:
        address: `rtsp://server/path` (`?transport=udp` for UDP), to which it is published; `tcp://host:port` or
            `udp://host:port`, which get MPEG-TS.
        fps: frames a second, exactly.
        draw: makes the picture of a result, uint8 (H, W, 3), red first; `Overlay` is one.
        preset, crf, threads: as of VideoSink.
        silence_s: how long a receiver may take to answer, or to take what it is sent.
        least_pause_s: how long to wait before it is looked for again; each pause is twice the last.
        told: told in a line when it goes away and when it is back.

    Attributes:
        frames: results that were sent.
        lost: results that came while nobody took them.

    Raises:
        SinkError: the address is none of these; when written to: nobody is there the first time.
    """

    live = True

    def __init__(
        self,
        address: str,
        fps: Fraction,
        draw: Callable[[SegmentedFrame], UInt8],
        preset: str = "ultrafast",
        crf: int = 23,
        threads: int = 1,
        silence_s: float = SILENCE_S,
        least_pause_s: float = LEAST_PAUSE_S,
        told: Callable[[str], None] | None = None,
    ) -> None:
        self.name = without_password(address)
        self._address, self._format, self._settings = _how_to_send(address, silence_s)
        gop = max(1, round(Fraction(fps) * KEY_FRAMES_S))
        self._options = {"preset": preset, "crf": str(crf), "tune": "zerolatency", "g": str(gop)}
        self._fps, self._draw, self._threads, self.told = Fraction(fps), draw, threads, told
        self.frames, self.lost = 0, 0
        self._least_pause_s, self._pause_s = least_pause_s, least_pause_s
        self._try_at_s, self._last = 0.0, -1
        self._silence_s = silence_s
        self._sending: Sending | SendingChild | None = None

    def write(self, result: SegmentedFrame) -> None:
        """See Sink."""
        from etc_edge.frames.sending import UNIT_S, failures

        if self._sending is None and time.monotonic() < self._try_at_s:
            self.lost += 1
            return
        self._last = max(self._last + 1, round(result.timestamp_s / float(UNIT_S)))
        picture = self._draw(result)
        try:
            again = self._sending is None and self.frames > 0
            if self._sending is None:
                self._sending = self._begin()
            self._sending.write(picture, self._last)
            if again:
                self._tell(f"{self.name} is back, {self.lost} frames were lost in all")
        except failures() as error:
            self._let_go()
            if not self.frames:
                raise SinkError(
                    f"Could not send to {self.name}: {reason_of(error)}.", "Is anybody there to receive it?"
                ) from error
            self.lost += 1
            self._try_at_s = time.monotonic() + self._pause_s
            self._tell(f"{self.name} takes no more ({reason_of(error)}); trying again in {self._pause_s:g} s")
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
            return
        self._pause_s = self._least_pause_s
        self.frames += 1

    def close(self) -> None:
        """See Sink; what was sent is not taken back, so that `abort` does the same."""
        sending, self._sending = self._sending, None
        if sending is not None:
            sending.finish()

    def abort(self) -> None:
        """See Sink."""
        self.close()

    def _begin(self) -> Sending | SendingChild:
        from etc_edge.frames.sending import Sending, SendOrder
        from etc_edge.frames.sending_child import SendingChild

        order = SendOrder(
            address=self._address,
            form=self._format,
            settings=self._settings,
            options=self._options,
            fps=(self._fps.numerator, self._fps.denominator),
            threads=self._threads,
            silence_s=self._silence_s,
        )
        return SendingChild(order) if self._format == "rtsp" else Sending(order)

    def _let_go(self) -> None:
        sending, self._sending = self._sending, None
        if sending is not None:
            sending.let_go()

    def _tell(self, message: str) -> None:
        if self.told is not None:
            self.told(message)


def is_address(text: str) -> bool:
    """Whether an output is named as one that this sink sends to."""
    return urlsplit(text).scheme.lower() in FORMATS


def _how_to_send(address: str, silence_s: float) -> tuple[str, str, dict[str, str]]:
    """An address as FFmpeg takes it, the form to send, and FFmpeg's settings."""
    parts = urlsplit(address)
    scheme, query = parts.scheme.lower(), parse_qsl(parts.query, keep_blank_values=True)
    if scheme not in FORMATS:
        raise SinkError(f"Found the address {without_password(address)!r}, expected {' or '.join(FORMATS)}.")
    settings: dict[str, str] = {}
    if scheme == "rtsp":
        transport = dict(query).get("transport", TRANSPORTS[0])
        if transport not in TRANSPORTS:
            raise SinkError(f"Found the transport {transport!r} in {without_password(address)}, expected tcp or udp.")
        query = [pair for pair in query if pair[0] != "transport"]
        settings = {"rtsp_transport": transport}
    elif scheme == "tcp" and "timeout" not in dict(query):
        # FFmpeg's own, in microseconds: without it a receiver that stops reading would be waited for forever.
        query.append(("timeout", str(round(silence_s * 1e6))))
    elif scheme == "udp" and "pkt_size" not in dict(query):
        query.append(("pkt_size", str(UDP_BYTES)))
    return urlunsplit(parts._replace(query=urlencode(query))), FORMATS[scheme], settings
