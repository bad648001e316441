"""Our end of a connection that has a process of its own, so that it can be ended whatever it is doing."""

from __future__ import annotations

import select
import subprocess
from contextlib import suppress

import msgspec
import numpy as np

from etc_edge.core.child_process import start_answering
from etc_edge.frames.h264 import UInt8
from etc_edge.frames.sending import SendOrder
from etc_edge.frames.sending_process import PictureHeader, Sent

# How long a process may take to start on a busy machine.
START_S = 30.0


class SendingChild:
    """As Sending, for receivers that FFmpeg waits for without end: RTSP servers that answer no more, or stop reading.

    Args:
        order: what to send, to whom and how; what takes longer than its time for silence is given up.

    Raises:
        OSError: the process does not start.
    """

    def __init__(self, order: SendOrder) -> None:
        self._silence_s = order.silence_s
        self._process, self._requests, self._answers = start_answering("etc_edge.frames.sending_process")
        try:
            self._ask(msgspec.json.encode(order) + b"\n", b"", START_S)
        except BaseException:
            self.let_go()
            raise

    def write(self, picture_rgb: UInt8, time: int) -> None:
        """See Sending.

        Raises:
            OSError: the receiver is not there, takes no more, or took longer than it may.
        """
        height, width, _ = picture_rgb.shape
        header = msgspec.json.encode(PictureHeader((height, width), time)) + b"\n"
        self._ask(header, np.ascontiguousarray(picture_rgb).data, self._silence_s)

    def finish(self) -> None:
        """Send what the encoder still holds, and end the connection, unless that takes longer than it may."""
        with suppress(OSError):
            self._requests.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(self._silence_s)
        self.let_go()

    def let_go(self) -> None:
        """End the connection at once; doing so twice does no harm."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._requests, self._answers):
            with suppress(OSError):
                pipe.close()

    def _ask(self, line: bytes, data: memoryview | bytes, limit_s: float) -> None:
        self._requests.write(line)
        self._requests.write(data)
        self._requests.flush()
        if not select.select([self._answers], [], [], limit_s)[0]:
            raise TimeoutError(f"it took nothing for {limit_s:g} s")
        answer = self._answers.readline()
        if not answer:
            raise ConnectionError(f"the process that sends ended with code {self._process.wait()}")
        if (error := msgspec.json.decode(answer, type=Sent).error) is not None:
            raise ConnectionError(error)
