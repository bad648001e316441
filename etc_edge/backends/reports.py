"""What a compilation in the child process says of its progress: lines of JSON through a pipe to the parent's Progress.

A compiler asks `current()` for the Progress of the compilation that it is part of.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from threading import Lock
from typing import TextIO

import msgspec

from etc_edge.core.progress import Progress, Silent, Task

_CURRENT: ContextVar[Progress | None] = ContextVar("etc_edge_compilation", default=None)


class Began(msgspec.Struct, frozen=True, tag="began"):
    """A task began."""

    description: str
    total: int | None


class Advanced(msgspec.Struct, frozen=True, tag="advanced"):
    """The task went on."""

    count: int
    figures: dict[str, str]


class Ended(msgspec.Struct, frozen=True, tag="ended"):
    """The task ended."""


class Said(msgspec.Struct, frozen=True, tag="said"):
    """A line that stays."""

    message: str


Report = Began | Advanced | Ended | Said


def current() -> Progress:
    """Where the compilation that is under way in this thread reports to; silence outside of one."""
    return _CURRENT.get() or Silent()


@contextmanager
def reporting_to(progress: Progress) -> Iterator[None]:
    """Make `progress` the current one for a block."""
    token = _CURRENT.set(progress)
    try:
        yield
    finally:
        _CURRENT.reset(token)


class ReportLines:
    """Progress that goes to a pipe, line by line; a parent that no longer reads is not waited for.

    Args:
        descriptor: the pipe's end for writing.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._lock = descriptor, Lock()

    @contextmanager
    def task(self, description: str, total: int | None = None) -> Iterator[Task]:
        """See Progress."""
        self._write(Began(description, total))
        try:
            yield self
        finally:
            self._write(Ended())

    def advance(self, count: int = 1, **figures: str) -> None:
        """See Task."""
        self._write(Advanced(count, figures))

    def say(self, message: str) -> None:
        """See Progress."""
        self._write(Said(message))

    def _write(self, report: Report) -> None:
        with self._lock:
            try:
                os.write(self._descriptor, msgspec.json.encode(report) + b"\n")
            except OSError:
                return


def forward(lines: TextIO | Iterable[str], progress: Progress) -> None:
    """Tell `progress` what comes through a pipe, until its other end closes; tasks come one at a time."""
    decoder: msgspec.json.Decoder[Report] = msgspec.json.Decoder(Report)
    with ExitStack() as stack:
        task: Task | None = None
        for line in lines:
            report = decoder.decode(line)
            if isinstance(report, Began):
                stack.close()
                task = stack.enter_context(progress.task(report.description, report.total))
            elif isinstance(report, Advanced) and task is not None:
                task.advance(report.count, **report.figures)
            elif isinstance(report, Ended):
                stack.close()
                task = None
            elif isinstance(report, Said):
                progress.say(report.message)
