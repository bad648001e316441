"""Ctrl-C as a request to stop after the step that is under way, so that what is saved is whole."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType
from typing import Any


@dataclass
class Interruption:
    """Whether a stop was asked for."""

    requested: bool = False


@contextmanager
def deferred_interruption() -> Iterator[Interruption]:
    """Within the block the first SIGINT or SIGTERM only sets `requested`; a second one acts as usual."""
    state = Interruption()
    previous: dict[signal.Signals, Any] = {}

    def restore() -> None:
        while previous:
            signal.signal(*previous.popitem())

    def request(number: int, frame: FrameType | None) -> None:
        del number, frame
        state.requested = True
        restore()

    with suppress(ValueError):  # raised outside the main thread: there, whoever calls us handles signals
        for number in (signal.SIGINT, signal.SIGTERM):
            previous[number] = signal.signal(number, request)
    try:
        yield state
    finally:
        restore()
