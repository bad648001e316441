"""Progress of long work: a bar on a terminal, plain lines elsewhere, or silence."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sized
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TypeVar

T = TypeVar("T")


class Task(Protocol):
    """One piece of work under way."""

    def advance(self, count: int = 1, **figures: str) -> None:
        """Report `count` more units done and figures worth showing beside the bar."""


class Progress(Protocol):
    """What a stage reports its work to."""

    def task(self, description: str, total: int | None = None) -> AbstractContextManager[Task]:
        """Begin a piece of work of `total` units, or of unknown length."""

    def say(self, message: str) -> None:
        """One line that stays."""


def track(progress: Progress, items: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """Yield from `items`, reporting each to `progress`."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    with progress.task(description, total) as task:
        for item in items:
            yield item
            task.advance()


class Silent:
    """Progress that nobody sees."""

    @contextmanager
    def task(self, description: str, total: int | None = None) -> Iterator[Task]:
        """See Progress."""
        yield _SilentTask()

    def say(self, message: str) -> None:
        """See Progress."""


class _SilentTask:
    def advance(self, count: int = 1, **figures: str) -> None:
        pass


class PlainLines:
    """Progress as a line every few seconds, for logs and pipes; written to standard error."""

    def __init__(self, every_s: float = 5.0) -> None:
        self._every_s = every_s

    @contextmanager
    def task(self, description: str, total: int | None = None) -> Iterator[Task]:
        """See Progress."""
        task = _PlainTask(description, total, self._every_s)
        yield task
        task.report(final=True)

    def say(self, message: str) -> None:
        """See Progress."""
        _write_line(message)


class _PlainTask:
    def __init__(self, description: str, total: int | None, every_s: float) -> None:
        self._description, self._total, self._every_s = description, total, every_s
        self._done = 0
        self._figures: dict[str, str] = {}
        self._begun = self._reported = time.monotonic()

    def advance(self, count: int = 1, **figures: str) -> None:
        self._done += count
        self._figures.update(figures)
        if time.monotonic() - self._reported >= self._every_s:
            self.report()

    def report(self, final: bool = False) -> None:
        self._reported = time.monotonic()
        of_total = "" if self._total is None else f"/{self._total}"
        parts = [f"{self._description}: {self._done}{of_total}"]
        parts += [f"{name} {value}" for name, value in self._figures.items()]
        parts.append(f"{'took' if final else 'so far'} {self._reported - self._begun:.1f} s")
        _write_line(", ".join(parts))


class RichBars:
    """Progress as rich bars on a terminal, on standard error."""

    @contextmanager
    def task(self, description: str, total: int | None = None) -> Iterator[Task]:
        """See Progress."""
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TimeRemainingColumn(compact=True),
            TextColumn("[dim]{task.fields[figures]}"),
        )
        with Bars(*columns, console=Console(stderr=True)) as bars:
            identifier = bars.add_task(description, total=total, figures="")
            shown: dict[str, str] = {}

            class _Bar:
                def advance(self, count: int = 1, **figures: str) -> None:
                    shown.update(figures)
                    text = "  ".join(f"{name} {value}" for name, value in shown.items())
                    bars.update(identifier, advance=count, figures=text)

            yield _Bar()

    def say(self, message: str) -> None:
        """See Progress."""
        _write_line(message)


def console_progress() -> Progress:
    """Bars when standard error is a terminal, plain lines otherwise."""
    return RichBars() if sys.stderr.isatty() else PlainLines()


def _write_line(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
