"""A builder's phases as one task of Progress: the one without a parent is the task, those within are named beside."""

from __future__ import annotations

from contextlib import ExitStack
from threading import Lock

from etc_edge.core.progress import Progress, Task


class Phases:
    """What a builder's progress monitor is told; any of its threads may call.

    Args:
        progress: gets one task for each phase that has no parent; one that begins while another is at work is left out.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress, self._lock, self._stack = progress, Lock(), ExitStack()
        self._root: str | None = None
        self._task: Task | None = None
        self._done = 0

    def begin(self, name: str, parent: str | None, steps: int) -> None:
        """A phase of so many steps began."""
        with self._lock:
            if self._root is None and not parent:
                self._root, self._done = name, 0
                self._task = self._stack.enter_context(self._progress.task(f"TensorRT: {name}", steps))
            elif self._task is not None:
                self._task.advance(0, now=name)

    def step(self, name: str, step: int) -> None:
        """A phase finished its step of this number, from 0; steps may be left out."""
        with self._lock:
            if name == self._root and self._task is not None and step >= self._done:
                self._task.advance(step + 1 - self._done)
                self._done = step + 1

    def finish(self, name: str) -> None:
        """A phase ended, whether or not every step was reported."""
        with self._lock:
            if name == self._root:
                self._close()

    def close(self) -> None:
        """End what is still open, as after an error."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        self._root = self._task = None
        self._stack.close()
