"""Several sources through one network: decode, infer and write at the same time.

    source ─► [decode thread] ─► channel ─┐                              ┌─► channel per sink ─► [sink threads]
    source ─► [decode thread] ─► channel ─┴─► [caller's thread: infer] ──┴─► channel per sink ─► [sink threads]

Several engines of the network infer in threads of their own instead (see crew.py), and the caller's thread puts what
they found back in order. The network takes turns: whichever source has a frame, the one behind the last served first.
Within a source order is kept. Whichever stage fails, all others end: a failing source lets its frames before that
through, a failing sink or network stops the rest at once, and the first error is raised in the caller's thread. What a
sink was given before that is still written. Sinks are closed by whoever opened them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from threading import Condition, Lock
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from etc_edge.frames.frame import Frame, SegmentedFrame
from etc_edge.frames.sink import Sink
from etc_edge.frames.source import Source
from etc_edge.metrics.latency import LatencyHistogram
from etc_edge.runtime.channel import END, next_ready
from etc_edge.runtime.crew import Crew
from etc_edge.runtime.lane import DECODE, Lane

UInt8 = npt.NDArray[np.uint8]
T = TypeVar("T")

INFERENCE_STAGES = ("preprocess", "infer", "postprocess", "latency")


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


@dataclass(frozen=True)
class Stream:
    """A source and where its results go.

    Args:
        source: where frames come from.
        sinks: where results go, by a name for their timings.
    """

    source: Source
    sinks: Mapping[str, Sink] = field(default_factory=dict)


class Streams:
    """One pass of some sources through a network into sinks; iterate it once to make it go.

    Args:
        streams: sources with their sinks, one or more.
        segment: labels one frame; called in the caller's thread. Of several, each is called in a thread of its own.
        frames: how many frames to take of each file, or to label of each live source; None takes all.
        depth: how many frames may wait between two stages; of a live source only the newest does.
        wait: whether all wait for sinks that are too slow, or none does; None lets files wait for sinks that keep
            every frame, and nothing else.

    Attributes:
        failure: the first error of a source or a sink, for a caller that stops before it is raised.
    """

    def __init__(
        self,
        streams: Sequence[Stream],
        segment: Callable[[UInt8], Labelled] | Sequence[Callable[[UInt8], Labelled]],
        *,
        frames: int | None = None,
        depth: int = 4,
        wait: bool | None = None,
    ) -> None:
        self._segments = (segment,) if callable(segment) else tuple(segment)
        self._stopped = False
        self._failing = Lock()
        self.failure: BaseException | None = None
        self._inference = {name: LatencyHistogram() for name in INFERENCE_STAGES}
        changed = Condition()
        self._lanes = [
            Lane(
                stream.source,
                stream.sinks,
                frames=frames,
                depth=depth,
                changed=changed,
                wait=wait,
                aside=len(self._segments) == 1,
                failed=self._fail,
            )
            for stream in streams
        ]

    @property
    def timings(self) -> dict[str, LatencyHistogram]:
        """Milliseconds by stage: `decode`, `preprocess`, `infer`, `postprocess`, `latency` (the last three together)
        and each sink's name; with several sources `decode 1`, `decode 2` and so on, and sinks likewise."""
        by_lane = [self._numbered(lane.timings, number) for number, lane in enumerate(self._lanes, 1)]
        decode = {name: one for timings in by_lane for name, one in timings.items() if name.startswith(DECODE)}
        return {**decode, **self._inference, **{name: one for timings in by_lane for name, one in timings.items()}}

    @property
    def dropped(self) -> dict[str, int]:
        """Frames of live sources that were not waited for, by stage; stages that dropped none are left out."""
        by_lane = (self._numbered(lane.dropped, number) for number, lane in enumerate(self._lanes, 1))
        return {name: count for dropped in by_lane for name, count in dropped.items() if count}

    @property
    def labelled(self) -> tuple[int, ...]:
        """How many frames of each source were labelled."""
        return tuple(lane.labelled for lane in self._lanes)

    @property
    def dropped_by_source(self) -> tuple[dict[str, int], ...]:
        """Frames of each source that were not waited for, by stage."""
        return tuple(dict(lane.dropped) for lane in self._lanes)

    @property
    def ended(self) -> tuple[bool, ...]:
        """Of each source, whether all that will come of it was taken; any thread may ask."""
        return tuple(lane.decoded.finished for lane in self._lanes)

    def __iter__(self) -> Generator[tuple[int, SegmentedFrame], None, None]:
        """Yield the source's number, from 0, and the result, each after it was handed to every sink of its source.

        Raises:
            EtcEdgeError: the first error of any stage.
        """
        for lane in self._lanes:
            lane.start()
        try:
            yield from self._results()
        finally:
            self.stop()
            for lane in self._lanes:
                lane.join()
        if self.failure is not None:
            raise self.failure

    def stop(self) -> None:
        """End the iteration after the frame at hand; any thread may call it."""
        self._stopped = True
        for lane in self._lanes:
            lane.stop()

    def _results(self) -> Generator[tuple[int, SegmentedFrame], None, None]:
        running, turn = list(enumerate(self._lanes)), 0
        asked: deque[tuple[int, Frame, Callable[[], Labelled]]] = deque()
        with closing(Crew(self._segments)) as crew:
            while (running or asked) and not self._stopped:
                place = None
                if running and len(asked) < crew.ahead:
                    # What is known already does not wait for a frame to come.
                    place = next_ready([lane.decoded for _, lane in running], turn, wait=not asked)
                if place is None:
                    number, frame, answer = asked.popleft()
                    result = self._noted(frame, answer())
                    if not self._lanes[number].hand(result):
                        return
                    yield number, result
                    continue
                number, lane = running[place]
                came = lane.decoded.get()
                if came is END:
                    if self.failure is not None:
                        running.clear()
                    else:
                        del running[place]
                    turn = place % max(1, len(running))
                    continue
                turn = (place + 1) % len(running)
                asked.append((number, came, crew.ask(came.image_rgb)))

    def _noted(self, frame: Frame, segmented: Labelled) -> SegmentedFrame:
        self._inference["preprocess"].add(segmented.preprocess_ms)
        self._inference["infer"].add(segmented.infer_ms)
        self._inference["postprocess"].add(segmented.postprocess_ms)
        self._inference["latency"].add(segmented.latency_ms)
        return SegmentedFrame(frame, segmented.labels, segmented.latency_ms)

    def _fail(self, error: BaseException, at_once: bool) -> None:
        with self._failing:
            self.failure = self.failure or error
        if at_once:
            self.stop()

    def _numbered(self, by_stage: Mapping[str, T], number: int) -> dict[str, T]:
        return {name if len(self._lanes) == 1 else f"{name} {number}": value for name, value in by_stage.items()}
