"""Engines timed against each other, fast enough to be done when one is first asked for."""

from __future__ import annotations

import time
from collections.abc import Sequence
from statistics import median

from etc_edge.backends.base import Engine, UInt8


def median_times_ms(
    engines: Sequence[Engine],
    frames: Sequence[UInt8],
    *,
    warm_up: int = 2,
    least_rounds: int = 7,
    most_rounds: int = 60,
    budget_s: float = 3.0,
) -> list[float]:
    """Median milliseconds of one frame, the engines taking turns (A B A B …) so that load hits them alike.

    Args:
        engines: two or more loaded engines.
        frames: frames that fit them, used in turn.
        warm_up: rounds that are not counted.
        least_rounds: rounds that are counted even when the budget is spent.
        most_rounds: rounds after which it stops.
        budget_s: seconds after which it stops.
    """
    times_ms: list[list[float]] = [[] for _ in engines]
    begun = time.perf_counter()
    for number in range(-warm_up, most_rounds):
        if number == 0:
            begun = time.perf_counter()
        if number >= least_rounds and time.perf_counter() - begun > budget_s:
            break
        frame = frames[number % len(frames)]
        for engine, its_times_ms in zip(engines, times_ms, strict=True):
            start = time.perf_counter()
            engine.run(frame)
            if number >= 0:
                its_times_ms.append((time.perf_counter() - start) * 1e3)
    return [median(its_times_ms) for its_times_ms in times_ms]
