"""The process of a connection that may hang: `python -m etc_edge.frames.sending_process`.

It reads a `SendOrder` as a line of JSON from standard input and answers with `Sent`, then reads pictures, each a
`PictureHeader` as a line and its bytes, and answers each with `Sent`. It ends with its input, and where a receiver
takes much longer than it may: also when nobody is left to end it.
"""

from __future__ import annotations

import math
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import msgspec
import numpy as np

from etc_edge.frames.sending import Sending, SendOrder, failures
from etc_edge.frames.video_source import reason_of


class PictureHeader(msgspec.Struct, frozen=True):
    """Height and width of the picture whose bytes follow, and from when on it is shown."""

    size_hw: tuple[int, int]
    time: int


class Sent(msgspec.Struct, frozen=True):
    """That what was asked is done, or why it could not be."""

    error: str | None = None


def main() -> None:
    """Send until the input ends."""
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    # FFmpeg's messages must not end up among the answers.
    os.dup2(2, 1)
    order = msgspec.json.decode(requests.readline(), type=SendOrder)
    sending = Sending(order)
    _answer(answers, Sent())
    while line := requests.readline():
        header = msgspec.json.decode(line, type=PictureHeader)
        height, width = header.size_hw
        data = requests.read(height * width * 3)
        if len(data) < height * width * 3:
            break
        try:
            with _at_most(order.silence_s):
                sending.write(np.frombuffer(data, np.uint8).reshape(height, width, 3), header.time)
        except failures() as error:
            _answer(answers, Sent(reason_of(error)))
            # Saying goodbye to who does not listen may take forever.
            os._exit(0)
        _answer(answers, Sent())
    with _at_most(order.silence_s):
        sending.finish()


def _answer(answers: IO[bytes], sent: Sent) -> None:
    answers.write(msgspec.json.encode(sent) + b"\n")
    answers.flush()


@contextmanager
def _at_most(silence_s: float) -> Iterator[None]:
    """End the process if this takes longer; only the system can interrupt FFmpeg, and a signal's default is to kill."""
    if not hasattr(signal, "alarm"):
        yield
        return
    signal.alarm(math.ceil(2 * silence_s) + 1)
    try:
        yield
    finally:
        signal.alarm(0)


if __name__ == "__main__":
    main()
