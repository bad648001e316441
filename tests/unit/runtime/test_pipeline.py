"""Every stage fails at the start, in the middle and at the end: nothing hangs, the first error comes out."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from types import TracebackType

import numpy as np
import numpy.typing as npt
import pytest

from etc_edge.core.errors import EngineError, SinkError, SourceError
from etc_edge.frames.frame import Frame, SegmentedFrame
from etc_edge.runtime.pipeline import Pipeline
from etc_edge.runtime.segmenter import Segmented

UInt8 = npt.NDArray[np.uint8]

LENGTH = 12
PLACES = [0, 6, LENGTH - 1]


class Numbers:
    """A source whose frame `n` is filled with the value n; it may fail before one of them."""

    name = "numbers"
    size_hw = (4, 6)
    fps = Fraction(30)
    frame_count: int | None = LENGTH
    live = False

    def __init__(self, length: int = LENGTH, fails_at: int | None = None) -> None:
        self._length, self._fails_at = length, fails_at
        self.given = 0

    def __iter__(self) -> Iterator[Frame]:
        for index in range(self._length):
            if index == self._fails_at:
                raise SourceError(f"source fails at {index}")
            self.given += 1
            yield Frame(np.full((4, 6, 3), index % 256, np.uint8), index, index / 30)
        if self._fails_at is not None and self._fails_at >= self._length:
            raise SourceError("source fails after the last frame")

    def close(self) -> None:
        """See Source."""

    def __enter__(self) -> Numbers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Kept:
    """A sink that keeps what it is given; it may be slow, or fail at one frame."""

    def __init__(self, fails_at: int | None = None, seconds: float = 0, live: bool = False) -> None:
        self._fails_at, self._seconds, self.live = fails_at, seconds, live
        self.indices: list[int] = []

    def write(self, result: SegmentedFrame) -> None:
        """See Sink."""
        if result.index == self._fails_at:
            raise SinkError(f"sink fails at {result.index}")
        time.sleep(self._seconds)
        assert (result.labels == result.index % 256).all()
        self.indices.append(result.index)

    def close(self) -> None:
        """See Sink."""

    def abort(self) -> None:
        """See Sink."""

    def __enter__(self) -> Kept:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def segment(frame_rgb: UInt8) -> Segmented:
    return Segmented(frame_rgb[..., 0].copy(), 0.1, 1.0, 0.2)


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = threading.active_count()
    yield
    end = time.monotonic() + 5
    while threading.active_count() > before:
        assert time.monotonic() < end, threading.enumerate()
        time.sleep(0.01)


def indices(pipeline: Pipeline) -> list[int]:
    return [result.index for result in pipeline]


@pytest.mark.parametrize("depth", [1, 4])
@pytest.mark.parametrize("sinks", [0, 1, 3])
def test_order_is_kept_and_every_sink_gets_every_frame(depth: int, sinks: int) -> None:
    kept = {f"sink {number}": Kept(seconds=0.001 * number) for number in range(sinks)}
    pipeline = Pipeline(Numbers(), segment, kept, depth=depth)
    assert indices(pipeline) == list(range(LENGTH))
    for name, sink in kept.items():
        assert sink.indices == list(range(LENGTH))
        assert pipeline.timings[name].count == LENGTH
    assert {pipeline.timings[name].count for name in ("decode", "preprocess", "infer", "postprocess")} == {LENGTH}
    latency = pipeline.timings["latency"].figures()
    assert latency is not None
    assert latency.mean == pytest.approx(1.3)


def test_results_carry_frame_labels_time_and_latency() -> None:
    result = list(Pipeline(Numbers(), segment))[3]
    assert result.index == 3
    assert result.timestamp_s == 3 / 30
    assert (result.frame.image_rgb == 3).all()
    assert (result.labels == 3).all()
    assert result.latency_ms == pytest.approx(1.3)


@pytest.mark.parametrize("place", [*PLACES, LENGTH])
def test_a_source_that_fails_lets_the_frames_before_it_through(place: int) -> None:
    sink = Kept()
    seen: list[int] = []

    def consume() -> None:
        for result in Pipeline(Numbers(fails_at=place), segment, {"sink": sink}):
            seen.append(result.index)

    with pytest.raises(SourceError, match="source fails"):
        consume()
    assert seen == sink.indices == list(range(place))


@pytest.mark.parametrize("place", PLACES)
def test_a_network_that_fails(place: int) -> None:
    def failing(frame_rgb: UInt8) -> Segmented:
        if frame_rgb[0, 0, 0] == place:
            raise EngineError(f"network fails at {place}")
        return segment(frame_rgb)

    sink = Kept(seconds=0.005)
    with pytest.raises(EngineError, match=f"network fails at {place}"):
        indices(Pipeline(Numbers(), failing, {"sink": sink}))
    assert sink.indices == list(range(place)), "what was handed to the sink is written"


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("other_seconds", [0, 0.01])
def test_a_sink_that_fails_ends_all(place: int, other_seconds: float) -> None:
    failing, other = Kept(fails_at=place), Kept(seconds=other_seconds)
    source = Numbers(length=5000)
    with pytest.raises(SinkError, match=f"sink fails at {place}"):
        indices(Pipeline(source, segment, {"failing": failing, "other": other}))
    assert failing.indices == list(range(place))
    assert other.indices == list(range(len(other.indices)))
    assert source.given < 4000


def test_the_first_error_is_the_one_that_comes_out() -> None:
    with pytest.raises(SinkError, match="sink fails at 0"):
        indices(Pipeline(Numbers(fails_at=9), segment, {"sink": Kept(fails_at=0)}, depth=1))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("length", [LENGTH, 100_000])
def test_a_consumer_that_stops_early(place: int, length: int) -> None:
    sink = Kept()
    results = iter(Pipeline(Numbers(length=length), segment, {"sink": sink}))
    for result in results:
        if result.index == place:
            break
    results.close()  # type: ignore[attr-defined]
    assert sink.indices == list(range(place + 1))


@pytest.mark.parametrize("place", PLACES)
def test_a_consumer_that_fails(place: int) -> None:
    sink = Kept()

    def consume() -> None:
        for result in Pipeline(Numbers(length=100_000), segment, {"sink": sink}):
            _ = 1 // (place - result.index)

    with pytest.raises(ZeroDivisionError):
        consume()
    end = time.monotonic() + 5
    while len(sink.indices) <= place and time.monotonic() < end:
        time.sleep(0.01)
    assert sink.indices == list(range(place + 1))


def test_a_pipeline_that_is_never_begun_starts_no_thread() -> None:
    before = threading.active_count()
    Pipeline(Numbers(), segment, {"sink": Kept()})
    assert threading.active_count() == before


@pytest.mark.parametrize("frames", [1, 5, LENGTH, LENGTH + 5])
def test_a_limit_takes_no_frame_too_many_from_the_source(frames: int) -> None:
    source = Numbers()
    assert indices(Pipeline(source, segment, frames=frames)) == list(range(min(frames, LENGTH)))
    assert source.given == min(frames, LENGTH)


def test_an_empty_source_gives_nothing() -> None:
    sink = Kept()
    assert indices(Pipeline(Numbers(length=0), segment, {"sink": sink})) == []
    assert sink.indices == []


def test_a_slow_sink_bounds_what_waits() -> None:
    source, sink = Numbers(length=60), Kept(seconds=0.01)
    for result in Pipeline(source, segment, {"sink": sink}, depth=2):
        assert result.index - len(sink.indices) <= 4
        assert source.given - result.index <= 5


def test_stages_work_at_the_same_time() -> None:
    meeting = threading.Barrier(3, timeout=20)

    class Meets(Numbers):
        def __iter__(self) -> Iterator[Frame]:
            for frame in super().__iter__():
                if frame.index == 2:
                    meeting.wait()
                yield frame

    class MeetsToo(Kept):
        def write(self, result: SegmentedFrame) -> None:
            if result.index == 0:
                meeting.wait()
            super().write(result)

    def segment_and_meet(frame_rgb: UInt8) -> Segmented:
        if frame_rgb[0, 0, 0] == 1:
            meeting.wait()
        return segment(frame_rgb)

    # Frame 2 is decoded, frame 1 labelled and frame 0 written: each waits until the others are there.
    assert indices(Pipeline(Meets(), segment_and_meet, {"sink": MeetsToo()})) == list(range(LENGTH))
