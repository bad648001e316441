"""Several engines of one network that label frames at the same time, a thread each.

Two engines of one thread label a video faster than one engine of two: within an inference threads wait for one another
at every layer, and whenever decoding or writing takes a core from one of them; across frames nobody waits for anybody.
A frame takes longer to come through, so this is for files, not for what is live.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

UInt8 = npt.NDArray[np.uint8]
T = TypeVar("T")

AT_MOST = 4
"""Engines at once that are taken unasked: each holds the network's intermediate results by itself."""


def shares(threads: int, frames: int | None = None, at_most: int = AT_MOST) -> list[int]:
    """How threads are split among engines that label frames at the same time.

    Args:
        threads: in all.
        frames: how many there are to label; None where that is not known.
        at_most: engines.

    Returns:
        Threads of each engine, together `threads`.
    """
    count = max(1, min(threads, at_most, threads if frames is None else frames))
    least, more = divmod(threads, count)
    return [least + (number < more) for number in range(count)]


SPARE = 4
"""Frames asked about beyond those that members are at: a member that is done has its next one although whoever hands
results on is behind."""


class Crew(Generic[T]):
    """Callables that work at the same time, none of them on two frames.

    Args:
        members: each takes a frame, uint8 (H, W, 3); one alone is called in the thread that wants its answer.

    Attributes:
        ahead: frames to have asked about so that no member waits for its next one.
    """

    def __init__(self, members: Sequence[Callable[[UInt8], T]]) -> None:
        self._members = members
        self._idle: SimpleQueue[Callable[[UInt8], T]] = SimpleQueue()
        for member in members:
            self._idle.put(member)
        self._pool = ThreadPoolExecutor(len(members), "etc-edge infer") if len(members) > 1 else None
        self.ahead = len(members) + SPARE if len(members) > 1 else 1

    def ask(self, frame_rgb: UInt8) -> Callable[[], T]:
        """Have a frame labelled; the answer waits for it, and raises what the member raised."""
        if self._pool is None:
            return lambda: self._members[0](frame_rgb)
        answer: Future[T] = self._pool.submit(self._work, frame_rgb)
        return answer.result

    def close(self) -> None:
        """Forget frames that nobody has begun with, and wait for the others; closing twice does no harm."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def _work(self, frame_rgb: UInt8) -> T:
        member = self._idle.get_nowait()  # there are as many as threads
        try:
            return member(frame_rgb)
        finally:
            self._idle.put(member)
