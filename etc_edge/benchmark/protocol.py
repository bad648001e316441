"""How contenders are timed fairly: in turns, frame by frame, so that whatever else the machine does hits all alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import TypeVar

from etc_edge.core.errors import EtcEdgeError
from etc_edge.core.progress import Progress, Silent

T = TypeVar("T")

SETTLE_S = 0.03
"""How long the threads of one engine are given to stop spinning, before the next engine is timed on their cores."""


def alternate(
    contenders: Sequence[Callable[[int], T]],
    rounds: int,
    warm_up: int,
    progress: Progress | None = None,
    description: str = "benchmark",
    settle_s: float = SETTLE_S,
) -> list[list[T]]:
    """Call each contender once a round, A B A B …, and keep what it returned.

    Where there are several, each is let alone for a moment and called once for nothing before the call that counts:
    what the one before it left running and left in the caches is gone by then.

    Args:
        contenders: called with the number of the round; warm-up rounds have negative numbers.
        rounds: rounds that are kept.
        warm_up: rounds before them, whose results are thrown away.
        progress: told of every round.
        description: what the progress is called.
        settle_s: seconds of that moment.

    Returns:
        For each contender its results in the order of rounds, so that results of one index belong together.
    """
    if rounds < 1:
        raise EtcEdgeError(f"Found {rounds} frames to measure, expected 1 or more.")
    kept: list[list[T]] = [[] for _ in contenders]
    with (progress or Silent()).task(description, rounds + warm_up) as task:
        for number in range(-warm_up, rounds):
            for contender, its_results in zip(contenders, kept, strict=True):
                if number >= 0 and len(contenders) > 1:
                    time.sleep(settle_s)
                    contender(number)
                result = contender(number)
                if number >= 0:
                    its_results.append(result)
            task.advance()
    return kept


def pair_ratio(times_ms: Sequence[float], base_ms: Sequence[float]) -> float:
    """Median over rounds of a contender's time divided by the base's time in the same round.

    Pairs cancel a slow spell of the machine, which the ratio of two medians does not.
    """
    return median(time_ms / base for time_ms, base in zip(times_ms, base_ms, strict=True))
