"""What one source has to itself while several share a network: its decoding thread, its sinks and their threads."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import islice
from threading import Condition, Thread

from etc_edge.frames.frame import Frame, SegmentedFrame
from etc_edge.frames.sink import Sink
from etc_edge.frames.source import Source
from etc_edge.metrics.latency import LatencyHistogram
from etc_edge.runtime.channel import END, Channel
from etc_edge.runtime.priority import give_way

# A source that hangs in a system call cannot be ended; its thread is left behind after this long.
_SOURCE_PATIENCE_S = 10.0

DECODE = "decode"


class Lane:
    """From a source to a channel of frames, and from results to sinks.

    A file waits for the network and for its sinks, and no frame of it is lost. What is live does not wait: the newest
    frame takes the place of one that nobody took yet, at the network and at a sink that is too slow. Nor does anything
    wait for a sink that is live itself.

    Args:
        source: where frames come from; whoever opened it closes it, but what is live passes once and is closed when
            no more is wanted, so that it stops waiting.
        sinks: where results go, by a name for their timings; each is written from a thread of its own.
        frames: how many frames to take from a file, or to label from what is live; None takes all.
        depth: how many may wait for the network and for each sink.
        changed: what the channel of frames notifies.
        wait: whether all wait for sinks that are too slow, or none does; None as said above.
        aside: whether its threads leave the cores to inference; where several engines infer at the same time none of
            them waits for another, and what leaves them waits for too long.
        failed: told of an error, and whether it ends everything at once or lets earlier frames through.

    Attributes:
        decoded: frames for the network.
        timings: milliseconds by `decode` and each sink's name.
        dropped: frames that were not waited for, by those names.
        labelled: how many results there were.
    """

    def __init__(
        self,
        source: Source,
        sinks: Mapping[str, Sink],
        *,
        frames: int | None,
        depth: int,
        changed: Condition,
        wait: bool | None = None,
        aside: bool = True,
        failed: Callable[[BaseException, bool], None],
    ) -> None:
        self._source, self._limit, self._failed = source, frames, failed
        self._live, self._aside = source.live, aside
        self.decoded: Channel[Frame] = Channel(1 if self._live else depth, changed)
        self._sinks = {name: (sink, Channel[SegmentedFrame](depth)) for name, sink in sinks.items()}
        self._waited_for = {
            name: not (self._live or sink.live) if wait is None else wait for name, sink in sinks.items()
        }
        self.timings = {name: LatencyHistogram() for name in (DECODE, *self._sinks)}
        self.dropped = dict.fromkeys(self.timings, 0)
        self.labelled = 0
        self._decoder = Thread(target=self._decode, name="etc-edge decode", daemon=True)
        self._writers = [
            Thread(target=self._write, args=(name,), name=f"etc-edge {name}", daemon=True) for name in self._sinks
        ]

    def start(self) -> None:
        """Begin to decode."""
        for thread in (self._decoder, *self._writers):
            thread.start()

    def hand(self, result: SegmentedFrame) -> bool:
        """Give a result to every sink; False when one has ended."""
        taken = True
        for name, (_, channel) in self._sinks.items():
            if self._waited_for[name]:
                taken &= channel.put(result)
            else:
                kept, gone = channel.put_newest(result)
                self.dropped[name] += gone
                taken &= kept
        self.labelled += 1
        if self._live and self.labelled == self._limit:
            self.decoded.drop()
        return taken

    def stop(self) -> None:
        """Take no more frames; results that sinks were given are still written."""
        self.decoded.drop()
        if self._live:
            # It may be waiting for a frame, or for a server to come back.
            self._source.close()
        for _, channel in self._sinks.values():
            channel.end()

    def join(self) -> None:
        """Wait until everything is written and the source has let go."""
        for thread in self._writers:
            _join(thread)
        self._decoder.join(_SOURCE_PATIENCE_S)

    def _decode(self) -> None:
        if self._aside:
            give_way()
        timings = self.timings[DECODE]
        try:
            frames = iter(self._source if self._live else islice(self._source, self._limit))
            while True:
                begun = time.perf_counter()
                frame = next(frames, None)
                if frame is None:
                    break
                timings.add((time.perf_counter() - begun) * 1e3)
                if not self._put(frame):
                    break
        except BaseException as error:
            self._failed(error, False)
        finally:
            self.decoded.end()

    def _put(self, frame: Frame) -> bool:
        if not self._live:
            return self.decoded.put(frame)
        taken, gone = self.decoded.put_newest(frame)
        self.dropped[DECODE] += gone
        return taken

    def _write(self, name: str) -> None:
        if self._aside:
            give_way()
        sink, channel = self._sinks[name]
        timings = self.timings[name]
        try:
            while (result := channel.get()) is not END:
                begun = time.perf_counter()
                sink.write(result)
                timings.add((time.perf_counter() - begun) * 1e3)
        except BaseException as error:
            channel.drop()
            self._failed(error, True)


def _join(writer: Thread) -> None:
    """Wait for a sink's thread; a second Ctrl-C must not close a sink that is being written to."""
    while writer.is_alive():
        with suppress(KeyboardInterrupt):
            writer.join()
