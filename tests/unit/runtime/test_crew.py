"""Several engines at once: how threads are shared, and what becomes of frames that were asked about."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etc_edge.runtime.crew import Crew, shares

FRAME = np.zeros((1, 1, 3), np.uint8)


@given(st.integers(1, 64), st.none() | st.integers(1, 64), st.integers(1, 64))
def test_threads_are_shared_evenly_and_none_is_lost(threads: int, frames: int | None, at_most: int) -> None:
    found = shares(threads, frames, at_most)
    assert sum(found) == threads
    assert max(found) - min(found) <= 1
    assert min(found) >= 1
    assert len(found) == min(threads, at_most, threads if frames is None else frames)


def test_one_member_works_in_the_thread_that_wants_its_answer() -> None:
    crew = Crew([lambda frame_rgb: threading.get_ident()])
    assert crew.ahead == 1
    assert crew.ask(FRAME)() == threading.get_ident()
    crew.close()


def test_no_member_has_two_frames() -> None:
    busy = [threading.Lock(), threading.Lock()]

    def member(lock: threading.Lock, frame_rgb: object) -> bool:
        taken = lock.acquire(blocking=False)
        threading.Event().wait(0.001)
        if taken:
            lock.release()
        return taken

    crew = Crew([lambda frame_rgb, lock=lock: member(lock, frame_rgb) for lock in busy])
    answers = [crew.ask(FRAME) for _ in range(40)]
    assert all(answer() for answer in answers)
    crew.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("etc-edge infer")]


def test_an_error_comes_with_the_answer_and_the_member_goes_on() -> None:
    def member(frame_rgb: np.ndarray) -> int:
        if frame_rgb[0, 0, 0]:
            raise ValueError("no")
        return 1

    crew = Crew([member, member])
    answers = [crew.ask(FRAME + np.uint8(number % 2)) for number in range(8)]
    for number, answer in enumerate(answers):
        if number % 2:
            with pytest.raises(ValueError, match="no"):
                answer()
        else:
            assert answer() == 1
    crew.close()
    crew.close()
