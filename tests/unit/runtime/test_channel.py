"""A channel keeps order, bounds what waits in it, and lets either side go."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from etc_edge.runtime.channel import END, Channel, next_ready


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


def test_the_newest_takes_the_place_of_the_oldest() -> None:
    channel: Channel[int] = Channel(2)
    assert [channel.put_newest(number) for number in range(4)] == [(True, 0), (True, 0), (True, 1), (True, 1)]
    assert [channel.get(), channel.get()] == [2, 3]
    channel.put_newest(4)
    channel.end()
    assert channel.put_newest(5) == (False, 0)
    assert [channel.get(), channel.get()] == [4, END]


def test_of_several_the_next_that_has_something_is_taken() -> None:
    changed = threading.Condition()
    channels: list[Channel[str]] = [Channel(4, changed) for _ in range(3)]
    channels[0].put("a")
    channels[0].put("b")
    channels[2].put("c")
    assert (next_ready(channels, 1), channels[2].get()) == (2, "c")
    assert (next_ready(channels, 0), channels[0].get()) == (0, "a")
    assert (next_ready(channels, 2), channels[0].get()) == (0, "b")
    answers: list[object] = []
    reader = started(lambda: answers.append(next_ready(channels, 0)))
    time.sleep(0.02)
    channels[1].end()
    reader.join(5)
    assert (answers, channels[1].get()) == ([1], END)
