"""The process of a shadow model: `python -m etc_edge.runtime.preview.shadow_process`.

A process of its own because engines share threads within one: a thread that gives way for the shadow would drag the
main engine along. It reads an `Order` as a line of JSON from standard input, answers with `Loaded`, then reads frames,
each a `FrameHeader` as a line and its bytes, and answers each with `Labels` as a line and their bytes. It ends with its
input.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

import msgspec
import numpy as np

from etc_edge.core.errors import EtcEdgeError
from etc_edge.runtime.priority import LAST
from etc_edge.runtime.segmenter import Segmenter


class Order(msgspec.Struct, frozen=True):
    """What to load: a model, a target and how many threads."""

    model: str
    target: str
    threads: int


class Loaded(msgspec.Struct, frozen=True, omit_defaults=True):
    """The model's name and classes, or the class, message and hint of an error."""

    name: str = ""
    classes: tuple[str, ...] = ()
    error: str | None = None
    message: str = ""
    hint: str | None = None


class FrameHeader(msgspec.Struct, frozen=True):
    """Height and width of a frame uint8 (H, W, 3), whose bytes follow."""

    size_hw: tuple[int, int]


class Labels(msgspec.Struct, frozen=True):
    """Processor seconds that labelling took, of all threads; uint8 (H, W) follows."""

    cpu_s: float


def main() -> None:
    """Serve standard input until it ends, then leave without the vendors' teardown."""
    os.nice(LAST)
    # Vendor libraries print to standard output; answers go to a copy of it.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    order = msgspec.json.decode(sys.stdin.buffer.readline(), type=Order)
    try:
        segmenter = Segmenter.load(Path(order.model), order.target, order.threads)
    except EtcEdgeError as error:
        _line(answers, Loaded(error=type(error).__name__, message=error.message, hint=error.hint))
        os._exit(0)
    _line(answers, Loaded(segmenter.name, segmenter.label_set.names))
    with suppress(BrokenPipeError):
        while line := sys.stdin.buffer.readline():
            height, width = msgspec.json.decode(line, type=FrameHeader).size_hw
            data = sys.stdin.buffer.read(height * width * 3)
            begun_s = time.process_time()
            labels = segmenter(np.frombuffer(data, np.uint8).reshape(height, width, 3))
            _line(answers, Labels(time.process_time() - begun_s), labels.tobytes())
    os._exit(0)


def _line(answers: IO[bytes], answer: msgspec.Struct, data: bytes = b"") -> None:
    answers.write(msgspec.json.encode(answer) + b"\n" + data)
    answers.flush()


if __name__ == "__main__":
    main()
