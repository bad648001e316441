"""Several sources on one network, and sources that are live: fair shares, the newest frame, and one end for all."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest

from etc_edge.core.errors import EngineError, SinkError, SourceError
from etc_edge.frames.frame import Frame, SegmentedFrame
from etc_edge.runtime.pipeline import Pipeline
from etc_edge.runtime.segmenter import Segmented
from etc_edge.runtime.streams import Stream, Streams
from tests.unit.runtime.test_pipeline import LENGTH, Kept, Numbers, segment

UInt8 = npt.NDArray[np.uint8]


class Live(Numbers):
    """A camera of a thousand frames a second that goes on until it is closed; it may freeze after one of them."""

    live = True
    frame_count = None

    def __init__(self, freezes_after: int | None = None, length: int = 10**9) -> None:
        super().__init__(length)
        self._freezes_after, self._thaw = freezes_after, threading.Event()

    def __iter__(self) -> Iterator[Frame]:
        for frame in super().__iter__():
            if self._thaw.is_set():
                return
            time.sleep(0.001)
            yield frame
            if frame.index == self._freezes_after:
                self._thaw.wait(20)

    def close(self) -> None:
        """See Source."""
        self._thaw.set()


def slowly(frame_rgb: UInt8) -> Segmented:
    time.sleep(0.005)
    return segment(frame_rgb)


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = threading.active_count()
    yield
    end = time.monotonic() + 5
    while threading.active_count() > before:
        assert time.monotonic() < end, threading.enumerate()
        time.sleep(0.01)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_every_source_keeps_its_order_and_its_sinks(count: int) -> None:
    sinks = [Kept() for _ in range(count)]
    streams = Streams([Stream(Numbers(LENGTH + number), {"sink": sink}) for number, sink in enumerate(sinks)], segment)
    seen: dict[int, list[int]] = {number: [] for number in range(count)}
    for number, result in streams:
        seen[number].append(result.index)
    for number, sink in enumerate(sinks):
        assert seen[number] == sink.indices == list(range(LENGTH + number))
    assert streams.labelled == tuple(LENGTH + number for number in range(count))
    assert streams.dropped == {}
    decode = [name for name in streams.timings if name.startswith("decode")]
    assert decode == (["decode"] if count == 1 else [f"decode {number}" for number in range(1, count + 1)])
    assert streams.timings["infer"].count == sum(streams.labelled)


def test_sources_that_wait_get_the_same_share() -> None:
    streams = Streams([Stream(Numbers(10_000)) for _ in range(3)], slowly)
    served: Counter[int] = Counter()
    results = iter(streams)
    for number, _ in results:
        served[number] += 1
        if sum(served.values()) == 90:
            break
    results.close()
    assert max(served.values()) - min(served.values()) <= 3, served


def test_a_slow_source_does_not_hold_up_the_others() -> None:
    frozen = Live(freezes_after=1)
    served: Counter[int] = Counter()
    for number, _ in (results := iter(Streams([Stream(frozen), Stream(Numbers(50))], segment))):
        served[number] += 1
        if served[1] == 50:
            break
    results.close()
    assert served[1] == 50


@pytest.mark.parametrize("place", [0, 5, LENGTH - 1])
def test_a_source_that_fails_ends_the_others_after_its_last_frame(place: int) -> None:
    sinks = Kept(), Kept()
    streams = Streams(
        [Stream(Numbers(fails_at=place), {"sink": sinks[0]}), Stream(Numbers(100_000), {"sink": sinks[1]})], segment
    )
    with pytest.raises(SourceError, match=f"source fails at {place}"):
        list(streams)
    assert sinks[0].indices == list(range(place))
    assert sinks[1].indices == list(range(len(sinks[1].indices)))


def test_a_sink_that_fails_ends_all_sources() -> None:
    streams = Streams([Stream(Numbers(100_000)), Stream(Numbers(100_000), {"sink": Kept(fails_at=3)})], segment)
    with pytest.raises(SinkError, match="sink fails at 3"):
        list(streams)


def test_a_network_that_fails_ends_all_sources() -> None:
    def failing(frame_rgb: UInt8) -> Segmented:
        if frame_rgb[0, 0, 0] == 7:
            raise EngineError("network fails")
        return segment(frame_rgb)

    with pytest.raises(EngineError, match="network fails"):
        list(Streams([Stream(Numbers(100_000)), Stream(Live())], failing))


def test_of_what_is_live_the_newest_is_labelled_and_the_rest_is_counted() -> None:
    source = Live()
    pipeline = Pipeline(source, slowly, frames=30)
    indices = [result.index for result in pipeline]
    assert len(indices) == 30
    assert indices == sorted(set(indices))
    dropped = pipeline.dropped["decode"]
    assert dropped > 30
    # One may still have waited when the last was labelled, and another have come when nobody waited any more.
    assert source.given - 2 <= len(indices) + dropped <= source.given


def test_what_is_live_does_not_wait_for_a_slow_sink() -> None:
    quick, slow = Kept(), Kept(seconds=0.05)
    pipeline = Pipeline(Live(), segment, {"quick": quick, "slow": slow}, frames=100, depth=2)
    begun = time.monotonic()
    list(pipeline)
    assert time.monotonic() - begun < 4
    assert slow.indices == sorted(slow.indices)
    assert len(slow.indices) + pipeline.dropped["slow"] == 100
    assert len(quick.indices) + pipeline.dropped.get("quick", 0) == 100


def test_a_file_never_loses_a_frame_to_a_slow_sink() -> None:
    slow = Kept(seconds=0.003)
    pipeline = Pipeline(Numbers(60), segment, {"slow": slow}, depth=1)
    list(pipeline)
    assert slow.indices == list(range(60))
    assert pipeline.dropped == {}


def test_a_live_sink_that_is_slow_does_not_hold_up_a_file_or_its_other_sinks() -> None:
    kept, shown = Kept(), Kept(seconds=0.02, live=True)
    streams = Streams([Stream(Numbers(200), {"kept": kept, "shown": shown})], segment, depth=2)
    begun = time.monotonic()
    assert len(list(streams)) == 200
    assert time.monotonic() - begun < 2
    assert kept.indices == list(range(200))
    assert shown.indices == sorted(shown.indices)
    assert len(shown.indices) + streams.dropped["shown"] == 200


@pytest.mark.parametrize("wait", [True, False])
def test_slow_sinks_are_waited_for_or_not_when_it_is_told(wait: bool) -> None:
    slow, shown = Kept(seconds=0.005), Kept(seconds=0.005, live=True)
    streams = Streams([Stream(Numbers(60), {"slow": slow, "shown": shown})], segment, depth=1, wait=wait)
    list(streams)
    whole = list(range(60))
    assert (slow.indices == whole, shown.indices == whole) == (wait, wait)
    assert (streams.dropped == {}) == wait


def test_a_stop_from_another_thread_ends_a_source_that_is_frozen() -> None:
    source = Live(freezes_after=0)
    pipeline = Pipeline(source, segment)
    seen: list[SegmentedFrame] = []

    def consume() -> None:
        seen.extend(pipeline)

    consumer = threading.Thread(target=consume)
    consumer.start()
    end = time.monotonic() + 5
    while pipeline.timings["infer"].count == 0:
        assert time.monotonic() < end
        time.sleep(0.01)
    pipeline.stop()
    consumer.join(5)
    assert not consumer.is_alive()
    assert [result.index for result in seen] == [0]


def test_several_engines_label_at_the_same_time_and_order_is_kept() -> None:
    together, most, lock, both = 0, 0, threading.Lock(), threading.Barrier(2, timeout=20)

    def member(frame_rgb: UInt8) -> Segmented:
        nonlocal together, most
        with lock:
            together += 1
            most = max(most, together)
        if int(frame_rgb[0, 0, 0]) < 2:
            both.wait()  # the first two frames are in work at the same time, or the barrier breaks
        time.sleep(0.004 if int(frame_rgb[0, 0, 0]) % 2 else 0.001)
        with lock:
            together -= 1
        return segment(frame_rgb)

    sink = Kept()
    streams = Streams([Stream(Numbers(LENGTH), {"sink": sink})], [member, member])
    found = [(result.index, int(result.labels.flat[0])) for _, result in streams]
    alone = [(result.index, int(result.labels.flat[0])) for _, result in Streams([Stream(Numbers(LENGTH))], segment)]
    assert found == alone
    assert sink.indices == list(range(LENGTH))
    assert most == 2
    assert streams.timings["infer"].count == LENGTH


@pytest.mark.parametrize("place", [0, 1, 5, LENGTH - 1])
def test_several_engines_finish_what_came_before_a_source_failed(place: int) -> None:
    sink = Kept()
    streams = Streams([Stream(Numbers(fails_at=place), {"sink": sink})], [slowly, slowly, slowly])
    with pytest.raises(SourceError, match=f"source fails at {place}"):
        list(streams)
    assert sink.indices == list(range(place))


def test_an_engine_of_several_that_fails_ends_all() -> None:
    def failing(frame_rgb: UInt8) -> Segmented:
        raise EngineError("engine fails")

    sink = Kept()
    streams = Streams([Stream(Numbers(100_000), {"sink": sink}), Stream(Live())], [slowly, failing])
    with pytest.raises(EngineError, match="engine fails"):
        list(streams)
    assert sink.indices == list(range(len(sink.indices)))


def test_a_sink_that_fails_ends_several_engines() -> None:
    streams = Streams([Stream(Numbers(100_000), {"sink": Kept(fails_at=3)})], [slowly, slowly])
    with pytest.raises(SinkError, match="sink fails at 3"):
        list(streams)


def test_several_engines_stop_after_the_frame_at_hand() -> None:
    streams = Streams([Stream(Numbers(100_000))], [slowly, slowly])
    seen = 0
    for _ in streams:
        seen += 1
        if seen == 7:
            streams.stop()
    assert seen == 7


def test_a_result_of_several_engines_does_not_wait_for_the_next_frame() -> None:
    frozen = Live(freezes_after=0)
    results = iter(Streams([Stream(frozen)], [segment, segment]))
    _, first = next(results)  # the second frame never comes
    assert first.index == 0
    frozen.close()
    results.close()
