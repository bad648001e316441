"""One connection to a receiver of live video: H.264 in the form that the address asks for, through FFmpeg."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from typing import Any

import msgspec

from etc_edge.frames.h264 import H264Track, UInt8

# RTP's clock, and MPEG's.
UNIT_S = Fraction(1, 90000)


def failures() -> tuple[type[Exception], ...]:
    """What PyAV raises when a connection fails."""
    import av

    return av.error.FFmpegError, OSError, ValueError


class SendOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What to send, to whom and how.

    Args:
        address: as FFmpeg takes it.
        form: what FFmpeg calls the container.
        settings: of FFmpeg's for the container.
        options: of x264's.
        fps: frames a second, as numerator and denominator.
        threads: of the encoder.
        silence_s: how long the receiver may take to answer, or to take what it is sent.
    """

    address: str
    form: str
    settings: dict[str, str]
    options: dict[str, str]
    fps: tuple[int, int]
    threads: int
    silence_s: float


class Sending:
    """A connection that is made with the first picture, and broken with the first error.

    PyAV keeps Python's lock while it makes a connection and while it ends one, so every thread of this process waits
    as long as the receiver does: only for receivers whose silence FFmpeg itself gives up on.
    """

    def __init__(self, order: SendOrder) -> None:
        self._order = order
        self._container: Any = None
        self._track: H264Track | None = None

    def write(self, picture_rgb: UInt8, time: int) -> None:
        """Send a picture, uint8 (H, W, 3), that is shown from `time` on, in units of `UNIT_S`.

        Raises:
            One of `failures()`: the receiver is not there, or takes no more.
        """
        import av

        order = self._order
        if self._track is None:
            self._container = av.open(order.address, "w", format=order.form, container_options=order.settings)
            size_hw = int(picture_rgb.shape[0]), int(picture_rgb.shape[1])
            fps = Fraction(*order.fps)
            self._track = H264Track(self._container, size_hw, fps, UNIT_S, order.options, order.threads)
        self._track.write(picture_rgb, time)

    def finish(self) -> None:
        """Send what the encoder still holds, and end the connection."""
        if self._track is not None:
            with suppress(*failures()):
                self._track.finish()
        self.let_go()

    def let_go(self) -> None:
        """End the connection; doing so twice does no harm."""
        container, self._container, self._track = self._container, None, None
        if container is not None:
            # Its last words cannot reach a receiver that is gone.
            with suppress(Exception):
                container.close()
