"""A preview that shows results without a network: coloured bars with their labels, written from a thread of its own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

import numpy as np

from etc_edge.frames.frame import Frame, SegmentedFrame
from etc_edge.runtime.preview import Preview
from etc_edge.runtime.preview.view import View
from tests.tiny_bundle import LABELS, color_frame

SIZE_HW = (96, 144)
PAUSE_S = 0.01


def result(index: int, size_hw: tuple[int, int] = SIZE_HW) -> SegmentedFrame:
    """The strongest of red, green and blue of each pixel; every frame differs from the one before."""
    image = color_frame(index, size_hw)
    return SegmentedFrame(Frame(image, index, index / 25), image.argmax(axis=2).astype(np.uint8), 4.0 + index % 3)


@contextmanager
def shown(preview: Preview, name: str = "door", size_hw: tuple[int, int] = SIZE_HW) -> Iterator[View]:
    """Write to a view of the preview until the block ends."""
    view, stopped = preview.view(name, LABELS), Event()
    results = [result(index, size_hw) for index in range(8)]

    def write() -> None:
        index = 0
        while not stopped.wait(PAUSE_S):
            one = results[index % len(results)]
            view.write(SegmentedFrame(Frame(one.frame.image_rgb, index, index / 25), one.labels, one.latency_ms))
            index += 1

    thread = Thread(target=write, name="writer of a preview's test")
    thread.start()
    try:
        yield view
    finally:
        stopped.set()
        thread.join()


def longest_pause_s(view: View, seconds: float) -> float:
    """The longest that results took to be taken, one after another, within some seconds."""
    end, longest, last, count = time.monotonic() + seconds, 0.0, time.monotonic(), view.frames
    while (now := time.monotonic()) < end:
        if view.frames != count:
            longest, last, count = max(longest, now - last), now, view.frames
        time.sleep(0.001)
    return max(longest, time.monotonic() - last)
