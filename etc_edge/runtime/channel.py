"""Bounded queues between threads that either side can end without the other hanging."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from enum import Enum
from threading import Condition
from typing import Final, Generic, TypeVar

T = TypeVar("T")


class End(Enum):
    """The one value that `get` gives when nothing more will come."""

    END = 0


END: Final = End.END


class Channel(Generic[T]):
    """Items in order, at most `capacity` at a time; a full one makes the writer wait, an empty one the reader.

    `queue.Queue` cannot wake a blocked writer when its reader has failed; this one can.

    Args:
        capacity: how many items may wait.
        changed: what is notified; channels that share one can be waited for together, with `next_ready`.
    """

    def __init__(self, capacity: int, changed: Condition | None = None) -> None:
        self._capacity = capacity
        self._items: deque[T] = deque()
        self._ended = False
        self.changed = changed or Condition()

    def put(self, item: T) -> bool:
        """Add an item, waiting while the channel is full; False when it has ended and the item was not taken."""
        with self.changed:
            self.changed.wait_for(lambda: self._ended or len(self._items) < self._capacity)
            return self._append(item)

    def put_newest(self, item: T) -> tuple[bool, int]:
        """Add an item without waiting, in place of the oldest where the channel is full.

        Returns:
            Whether it was taken, as `put` does, and how many others had to go for it.
        """
        with self.changed:
            gone = 0
            while not self._ended and len(self._items) >= self._capacity:
                self._items.popleft()
                gone += 1
            return self._append(item), gone

    def get(self) -> T | End:
        """Take the oldest item, waiting while there is none; `END` when the channel has ended and is empty."""
        with self.changed:
            self.changed.wait_for(lambda: self.ready)
            if not self._items:
                return END
            item = self._items.popleft()
            self.changed.notify_all()
            return item

    def end(self) -> None:
        """Nothing more will be put; what is in the channel can still be taken."""
        with self.changed:
            self._ended = True
            self.changed.notify_all()

    def drop(self) -> None:
        """End the channel and forget what is in it."""
        with self.changed:
            self._items.clear()
            self._ended = True
            self.changed.notify_all()

    def _append(self, item: T) -> bool:
        if not self._ended:
            self._items.append(item)
            self.changed.notify_all()
        return not self._ended

    @property
    def ready(self) -> bool:
        """Whether there is an item or the end; holds for as long as `changed` is held."""
        return self._ended or bool(self._items)

    @property
    def finished(self) -> bool:
        """Whether it has ended and everything was taken."""
        return self._ended and not self._items


def next_ready(channels: Sequence[Channel[T]], first: int = 0, wait: bool = True) -> int | None:
    """Wait until `get` of one of some channels would not have to, and say which; for their only reader.

    Args:
        channels: one or more that share their `changed`.
        first: the channel that is asked first, then those after it and those before: whoever asks next for the one
            behind the last serves all alike.
        wait: whether to; else it is None where none is ready now.
    """
    order = [(first + step) % len(channels) for step in range(len(channels))]
    with channels[0].changed:
        if wait:
            channels[0].changed.wait_for(lambda: any(channel.ready for channel in channels))
        return next((index for index in order if channels[index].ready), None)
