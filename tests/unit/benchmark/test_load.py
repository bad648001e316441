"""Frames by the clock and engines at once, on an engine whose speed is known."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from etc_edge.backends.compiled import Compiled
from etc_edge.benchmark.contender import Contender
from etc_edge.benchmark.load import at_once, at_rate, counts_up_to
from etc_edge.core.errors import EtcEdgeError


class SleepingEngine:
    """Takes twenty milliseconds, whatever else goes on."""

    size_hw = (4, 4)
    threads = 1

    def run(self, frame_rgb: np.ndarray) -> np.ndarray:
        time.sleep(0.02)
        return np.zeros((4, 4), np.uint8)

    def close(self) -> None:
        """Nothing to free."""


class SleepingContender(Contender):
    @contextmanager
    def loaded(self, threads: int | None = None) -> Iterator[SleepingEngine]:  # type: ignore[override]
        yield SleepingEngine()


def contender() -> Contender:
    return SleepingContender(Path(), cast(Compiled, None), 1, [np.zeros((4, 4, 3), np.uint8)])


def test_a_rate_that_it_keeps_drops_none() -> None:
    # Twelve times the time that a frame takes: a busy machine may take some of it.
    found = at_rate(contender(), 4, seconds=1.0)
    assert (found.frames, found.dropped) == (4, 0)
    assert found.latency_ms.p50 >= 20


def test_a_rate_that_it_does_not_keep_drops_frames_and_takes_the_newest() -> None:
    found = at_rate(contender(), 200, seconds=0.5)
    assert found.frames == 100
    assert found.dropped >= 70
    # A frame waits for the one at work at most, never for those that were dropped: a queue of 100 would bring a second.
    assert found.latency_ms.p50 < 250


def test_streams_together() -> None:
    one, four = at_once(contender(), 1, 1, 0.8), at_once(contender(), 4, 1, 0.8)
    # One after the other they would reach what one does.
    assert four.throughput_fps > 1.5 * one.throughput_fps
    assert (four.streams, four.threads) == (4, 1)
    assert one.latency_ms.p50 >= 20


def test_what_is_around_the_work_sees_neither_loading_nor_warm_up() -> None:
    frames: list[int] = []
    begun = time.perf_counter()
    spent: list[float] = []

    def around(work: Callable[[], int]) -> None:
        spent.append(time.perf_counter() - begun)
        frames.append(work())

    found = at_once(contender(), 1, 1, 0.4, around)
    assert spent[0] >= 3 * 0.02
    assert 2 <= frames[0] <= 21
    assert found.throughput_fps <= 50


def test_counts() -> None:
    assert counts_up_to(1) == [1]
    assert counts_up_to(3) == [1, 2, 3]
    assert counts_up_to(12) == [1, 2, 4, 8, 12]


def test_no_rate() -> None:
    with pytest.raises(EtcEdgeError, match="Found a rate of 0"):
        at_rate(contender(), 0)
