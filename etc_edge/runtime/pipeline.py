"""One source through a network; `streams.Streams` with a single stream."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import closing

from etc_edge.frames.frame import SegmentedFrame
from etc_edge.frames.sink import Sink
from etc_edge.frames.source import Source
from etc_edge.metrics.latency import LatencyHistogram
from etc_edge.runtime.streams import Labelled, Stream, Streams, UInt8


class Pipeline:
    """One pass of a source through a network into sinks; iterate it once to make it go.

    Args:
        source: where frames come from.
        segment: labels one frame; called in the caller's thread, in order.
        sinks: where results go, by a name for their timings; each is written from a thread of its own.
        frames: how many frames to take of a file, or to label of what is live; None takes all.
        depth: how many frames may wait between two stages; of what is live only the newest does.
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
        self._streams = Streams([Stream(source, sinks or {})], segment, frames=frames, depth=depth)

    @property
    def timings(self) -> dict[str, LatencyHistogram]:
        """Milliseconds by stage: `decode`, `preprocess`, `infer`, `postprocess`, `latency` and each sink's name."""
        return self._streams.timings

    @property
    def dropped(self) -> dict[str, int]:
        """Frames of a live source that were not waited for: `decode`, and the sinks that were too slow."""
        return self._streams.dropped

    @property
    def failure(self) -> BaseException | None:
        """The first error of the source or a sink, for a caller that stops before it is raised."""
        return self._streams.failure

    def stop(self) -> None:
        """End the iteration after the frame at hand; any thread may call it."""
        self._streams.stop()

    def __iter__(self) -> Generator[SegmentedFrame, None, None]:
        """Yield results in order, each after it was handed to every sink.

        Raises:
            EtcEdgeError: the first error of any stage.
        """
        with closing(iter(self._streams)) as results:
            for _, result in results:
                yield result
