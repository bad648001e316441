"""A bounded queue between two threads that either side can end without the other hanging."""

from __future__ import annotations

from collections import deque
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
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._items: deque[T] = deque()
        self._ended = False
        self._changed = Condition()

    def put(self, item: T) -> bool:
        """Add an item, waiting while the channel is full; False when it has ended and the item was not taken."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or len(self._items) < self._capacity)
            if self._ended:
                return False
            self._items.append(item)
            self._changed.notify_all()
            return True

    def get(self) -> T | End:
        """Take the oldest item, waiting while there is none; `END` when the channel has ended and is empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or bool(self._items))
            if not self._items:
                return END
            item = self._items.popleft()
            self._changed.notify_all()
            return item

    def end(self) -> None:
        """Nothing more will be put; what is in the channel can still be taken."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def drop(self) -> None:
        """End the channel and forget what is in it."""
        with self._changed:
            self._items.clear()
            self._ended = True
            self._changed.notify_all()
