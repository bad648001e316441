"""A channel keeps order, bounds what waits in it, and lets either side go."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from etc_edge.runtime.channel import END, Channel


def started(target: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    return thread


def test_order_and_bound() -> None:
    channel: Channel[int] = Channel(3)
    most = 0

    def write() -> None:
        nonlocal most
        for number in range(200):
            channel.put(number)
            most = max(most, len(channel._items))
        channel.end()

    writer = started(write)
    got = []
    while (item := channel.get()) is not END:
        got.append(item)
    writer.join(5)
    assert got == list(range(200))
    assert most <= 3


def test_what_was_put_before_the_end_can_still_be_taken() -> None:
    channel: Channel[str] = Channel(4)
    channel.put("a")
    channel.put("b")
    channel.end()
    assert not channel.put("late")
    assert [channel.get(), channel.get(), channel.get(), channel.get()] == ["a", "b", END, END]


@pytest.mark.parametrize("finish", [Channel.end, Channel.drop])
def test_a_blocked_writer_is_let_go(finish: Callable[[Channel[int]], None]) -> None:
    channel: Channel[int] = Channel(1)
    channel.put(1)
    answers: list[bool] = []
    writer = started(lambda: answers.append(channel.put(2)))
    time.sleep(0.02)
    finish(channel)
    writer.join(5)
    assert answers == [False]


@pytest.mark.parametrize("finish", [Channel.end, Channel.drop])
def test_a_blocked_reader_is_let_go(finish: Callable[[Channel[int]], None]) -> None:
    channel: Channel[int] = Channel(1)
    answers: list[object] = []
    reader = started(lambda: answers.append(channel.get()))
    time.sleep(0.02)
    finish(channel)
    reader.join(5)
    assert answers == [END]


def test_dropping_forgets_what_waited() -> None:
    channel: Channel[int] = Channel(2)
    channel.put(1)
    channel.drop()
    assert channel.get() is END
