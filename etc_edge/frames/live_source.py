"""What cameras, networks and pipelines have in common: they come when they come, go away, and are opened again."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Generator, Iterator
from fractions import Fraction
from threading import Event
from typing import Literal

import numpy as np
import numpy.typing as npt

from etc_edge.core.errors import SourceError
from etc_edge.frames.frame import Frame
from etc_edge.frames.source import Source

UInt8 = npt.NDArray[np.uint8]
Picture = tuple[UInt8, "float | None"]

# Between two attempts to open it again; each pause is twice the last, until a frame comes.
LEAST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0

# How long it may be silent before it counts as gone.
SILENCE_S = 5.0

# A clock that is further than this from ours has jumped, and is set by ours again.
MOST_APART_S = 10.0


class Gone(Exception):
    """A live source went away, or could not be opened; the reason, without a full stop."""


class LiveSource(Source):
    """Frames as they come; what goes away is opened again, until the source is closed.

    Timestamps are those of its own clock, as the capture was made, else those of arrival: seconds since the first
    frame, going on by this machine's clock while it is away.

    Args:
        name: what to call it.
        least_pause_s: how long to wait before the first attempt to open it again.
        told: told in a line when it goes away and when it is back.
        hint: what to try when it cannot be opened the first time.

    Attributes:
        reopened: how often it was opened again.

    Raises:
        SourceError: it cannot be opened the first time, or gives no frame.
    """

    def __init__(
        self,
        name: str,
        least_pause_s: float = LEAST_PAUSE_S,
        told: Callable[[str], None] | None = None,
        hint: str = "",
    ) -> None:
        self.name, self.frame_count, self.live = name, None, True
        self.fps: Fraction | None = None
        self.reopened, self.told = 0, told
        self._least_pause_s, self._waiting, self._closed = least_pause_s, False, Event()
        self._pictures = self._connect()
        try:
            self._first: Picture | None = next(self._pictures, None)
        except Gone as gone:
            raise SourceError(f"Found {name}, which cannot be opened: {gone}.", hint) from gone
        if self._first is None:
            raise SourceError(f"Found no frames in {name}, expected one or more.", hint)
        self.size_hw = int(self._first[0].shape[0]), int(self._first[0].shape[1])

    @abstractmethod
    def _connect(self) -> Generator[Picture, None, None]:
        """Open it, and give its pictures, uint8 (H, W, 3) of whatever size, and their times in seconds, until it ends.

        Raises:
            Gone: it cannot be opened, or went away.
        """

    def __iter__(self) -> Iterator[Frame]:
        begun, index, last_s, pause_s = time.monotonic(), 0, 0.0, self._least_pause_s
        pictures = self._from_first()
        while True:
            clock_s: float | None = None
            reason = "it ended"
            try:
                for image, time_s in pictures:
                    now_s = time.monotonic() - begun
                    if clock_s is None:
                        self._came(index)
                    at_s = now_s if time_s is None else (now_s - time_s if clock_s is None else clock_s) + time_s
                    if abs(at_s - now_s) > MOST_APART_S:
                        at_s = now_s
                    clock_s = at_s - (time_s or 0.0)
                    last_s = max(last_s, at_s)
                    pause_s = self._least_pause_s
                    yield Frame(image, index, last_s)
                    index += 1
            except Gone as gone:
                reason = str(gone)
            if self._closed.is_set():
                return
            self._waiting = True
            self._tell(f"{self.name} is gone after {index} frames ({reason}); trying again in {pause_s:g} s")
            if self._closed.wait(pause_s):
                return
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            pictures = self._connect()

    def close(self) -> None:
        """See Source; any thread may close it, and a read that is under way ends with its time for silence."""
        self._closed.set()

    @property
    def state(self) -> Literal["streaming", "waiting", "closed"]:
        """What it does; any thread may ask."""
        return "closed" if self._closed.is_set() else "waiting" if self._waiting else "streaming"

    def _came(self, index: int) -> None:
        self._waiting = False
        if index:
            self.reopened += 1
            self._tell(f"{self.name} is back")

    def _tell(self, message: str) -> None:
        if self.told is not None:
            self.told(message)

    def _from_first(self) -> Generator[Picture, None, None]:
        first, self._first = self._first, None
        if first is not None and not self._closed.is_set():
            yield first
        yield from self._pictures
