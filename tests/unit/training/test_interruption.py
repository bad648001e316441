"""The first Ctrl-C waits for the step, the second does not."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from etc_edge.training.interruption import deferred_interruption


def test_the_first_signal_is_noted_and_the_second_acts() -> None:
    before = signal.getsignal(signal.SIGINT)
    with deferred_interruption() as interruption:
        assert not interruption.requested
        os.kill(os.getpid(), signal.SIGINT)
        assert interruption.requested
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_termination_is_noted_too_and_handlers_come_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with deferred_interruption() as interruption:
        os.kill(os.getpid(), signal.SIGTERM)
    assert interruption.requested
    assert signal.getsignal(signal.SIGTERM) is before


def test_outside_the_main_thread_signals_are_left_alone() -> None:
    seen: list[bool] = []

    def work() -> None:
        with deferred_interruption() as interruption:
            seen.append(interruption.requested)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]
