"""Results in a plain loop and in an asyncio one, on a real engine."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from etc_edge.core.errors import SourceError
from etc_edge.runtime.results import Results, Stop
from etc_edge.runtime.segmenter import Segmenter
from tests.tiny_bundle import write_tiny_bundle

STREET = "synthetic:street?size=40x56&frames=5"
ENDLESS = "synthetic:street?size=40x56&frames=100000"


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Segmenter]:
    bundle = write_tiny_bundle(tmp_path_factory.mktemp("bundle") / "colors.etc")
    with Segmenter.load(bundle, "onnxruntime", threads=1) as loaded:
        yield loaded


@pytest.fixture(autouse=True)
def _no_thread_is_left(segmenter: Segmenter) -> Iterator[None]:
    before = threading.active_count()
    yield
    end = time.monotonic() + 5
    while threading.active_count() > before:
        assert time.monotonic() < end, threading.enumerate()
        time.sleep(0.01)


def test_both_loops_give_the_same(segmenter: Segmenter) -> None:
    async def gather() -> list[np.ndarray]:
        return [result.labels async for result in segmenter.stream(STREET)]

    plain = [result.labels for result in segmenter.stream(STREET)]
    assert len(plain) == 5
    for one, other in zip(plain, asyncio.run(gather()), strict=True):
        np.testing.assert_array_equal(one, other)


def test_several_sources(segmenter: Segmenter) -> None:
    async def gather() -> list[tuple[int, int]]:
        return [(number, result.index) async for number, result in segmenter.streams([STREET, STREET])]

    expected = sorted((number, index) for number in range(2) for index in range(5))
    assert sorted(asyncio.run(gather())) == expected
    assert sorted((number, result.index) for number, result in segmenter.streams([STREET, STREET])) == expected


def test_the_event_loop_stays_free(segmenter: Segmenter) -> None:
    async def count_meanwhile() -> int:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0)

        ticking = asyncio.create_task(tick())
        async for _ in segmenter.stream(STREET):
            pass
        ticking.cancel()
        return ticks

    assert asyncio.run(count_meanwhile()) > 20


def test_leaving_the_loop_and_being_cancelled_end_it(segmenter: Segmenter) -> None:
    async def leave() -> int:
        async for result in segmenter.stream(ENDLESS):
            if result.index == 2:
                return result.index
        return -1

    async def cancel() -> None:
        begun = asyncio.Event()

        async def consume() -> None:
            async for _ in segmenter.stream(ENDLESS):
                begun.set()

        task = asyncio.create_task(consume())
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    assert asyncio.run(leave()) == 2
    asyncio.run(cancel())


def test_an_error_comes_out_of_both_loops(segmenter: Segmenter, tmp_path: Path) -> None:
    async def consume() -> None:
        async for _ in segmenter.stream(str(tmp_path / "absent.mp4")):
            pass

    with pytest.raises(SourceError, match="no video"):
        asyncio.run(consume())
    with pytest.raises(SourceError, match="no video"):
        list(segmenter.stream(str(tmp_path / "absent.mp4")))


def test_a_block_closes_what_it_holds(segmenter: Segmenter) -> None:
    with segmenter.stream(ENDLESS) as results:
        assert next(results).index == 0
    assert list(results) == []


def test_a_stop_that_comes_first_is_kept() -> None:
    stopped: list[int] = []
    stop = Stop()
    stop()
    stop.connect(lambda: stopped.append(1))
    assert stopped == [1]
    results: Results[int] = Results(lambda given: (number for number in range(3)))
    assert list(results) == [0, 1, 2]
    results.close()
    results.close()
