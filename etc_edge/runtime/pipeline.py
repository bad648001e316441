"""Decode, infer and write at the same time: one thread each, joined by bounded channels.

    source ──► [decode thread] ──► channel ──► [caller's thread: infer] ──► channel per sink ──► [sink threads]

Order is kept. Whichever stage fails, all others end: a failing source lets the frames before it through, a failing
sink or network stops the rest at once, and the first error is raised in the caller's thread. What a sink was given
before that is still written. Sinks are closed by whoever opened them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from itertools import islice
from threading import Lock, Thread, get_native_id
from typing import Protocol

import numpy as np
import numpy.typing as npt

from etc_edge.frames.frame import Frame, SegmentedFrame
from etc_edge.frames.sink import Sink
from etc_edge.frames.source import Source
from etc_edge.metrics.latency import LatencyHistogram
from etc_edge.runtime.channel import END, Channel

UInt8 = npt.NDArray[np.uint8]

# A source that hangs in a system call cannot be ended; its thread is left behind after this long.
_SOURCE_PATIENCE_S = 10.0


class Labelled(Protocol):
    """What segmenting a frame gives: see `segmenter.Segmented`."""

    @property
    def labels(self) -> UInt8: ...
    @property
    def preprocess_ms(self) -> float: ...
    @property
    def infer_ms(self) -> float: ...
    @property
    def postprocess_ms(self) -> float: ...
    @property
    def latency_ms(self) -> float: ...


class Pipeline:
    """One pass of a source through a network into sinks; iterate it once to make it go.

    Args:
        source: where frames come from.
        segment: labels one frame; called in the caller's thread, in order.
        sinks: where results go, by a name for their timings; each is written from a thread of its own.
        frames: how many frames to take; None takes all.
        depth: how many frames may wait between two stages.

    Attributes:
        timings: milliseconds by stage: `decode`, `preprocess`, `infer`, `postprocess`, `latency` (the last three
            together) and each sink's name.
        failure: the first error of the source or a sink, for a caller that stops before it is raised.
    """

    def __init__(
        self,
        source: Source,
        segment: Callable[[UInt8], Labelled],
        sinks: Mapping[str, Sink] | None = None,
        *,
        frames: int | None = None,
        depth: int = 4,
    ) -> None:
        self._source = source
        self._segment = segment
        self._limit = frames
        self._decoded: Channel[Frame] = Channel(depth)
        self._sinks = {name: (sink, Channel[SegmentedFrame](depth)) for name, sink in (sinks or {}).items()}
        self._failing = Lock()
        self.failure: BaseException | None = None
        stages = ("decode", "preprocess", "infer", "postprocess", "latency")
        self.timings = {name: LatencyHistogram() for name in (*stages, *self._sinks)}

    def __iter__(self) -> Generator[SegmentedFrame, None, None]:
        """Yield results in order, each after it was handed to every sink.

        Raises:
            EtcEdgeError: the first error of any stage.
        """
        decoder = Thread(target=self._decode, name="etc-edge decode", daemon=True)
        writers = [
            Thread(target=self._write, args=(name,), name=f"etc-edge {name}", daemon=True) for name in self._sinks
        ]
        for thread in (decoder, *writers):
            thread.start()
        try:
            while (frame := self._decoded.get()) is not END:
                result = self._infer(frame)
                if not all(channel.put(result) for _, channel in self._sinks.values()):
                    break
                yield result
        finally:
            self._decoded.drop()
            for _, channel in self._sinks.values():
                channel.end()
            for thread in writers:
                _join(thread)
            decoder.join(_SOURCE_PATIENCE_S)
        if self.failure is not None:
            raise self.failure

    def _infer(self, frame: Frame) -> SegmentedFrame:
        segmented = self._segment(frame.image_rgb)
        self.timings["preprocess"].add(segmented.preprocess_ms)
        self.timings["infer"].add(segmented.infer_ms)
        self.timings["postprocess"].add(segmented.postprocess_ms)
        self.timings["latency"].add(segmented.latency_ms)
        return SegmentedFrame(frame, segmented.labels, segmented.latency_ms)

    def _decode(self) -> None:
        _give_way()
        timings = self.timings["decode"]
        try:
            frames = iter(islice(self._source, self._limit))
            while True:
                begun = time.perf_counter()
                frame = next(frames, None)
                if frame is None:
                    break
                timings.add((time.perf_counter() - begun) * 1e3)
                if not self._decoded.put(frame):
                    break
        except BaseException as error:
            self._fail(error)
        finally:
            self._decoded.end()

    def _write(self, name: str) -> None:
        _give_way()
        sink, channel = self._sinks[name]
        timings = self.timings[name]
        try:
            while (result := channel.get()) is not END:
                begun = time.perf_counter()
                sink.write(result)
                timings.add((time.perf_counter() - begun) * 1e3)
        except BaseException as error:
            self._fail(error)
            self._decoded.drop()
            for _, other in self._sinks.values():
                other.end()
            channel.drop()

    def _fail(self, error: BaseException) -> None:
        with self._failing:
            self.failure = self.failure or error


def _give_way() -> None:
    """Let inference have the cores whenever it wants them: its threads wait for one another, these for none."""
    with suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, get_native_id(), 10)


def _join(writer: Thread) -> None:
    """Wait for a sink's thread; a second Ctrl-C must not close a sink that is being written to."""
    while writer.is_alive():
        with suppress(KeyboardInterrupt):
            writer.join()
