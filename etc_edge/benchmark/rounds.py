"""Rounds of turns until figures are as sure as was asked for: what timings are made of."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

import numpy as np

from etc_edge.benchmark.contender import Contender
from etc_edge.benchmark.protocol import alternate
from etc_edge.benchmark.timed_frame import TimedFrame
from etc_edge.core.progress import Progress
from etc_edge.metrics.rounds import FEWEST_ROUNDS, rounds_interval

WARM_UP = 3
"""Calls of every contender in every round that do not count, its engine being loaded anew."""

ROUNDS, MOST_ROUNDS = 10, 50
FRAMES_A_ROUND, FEWEST_A_ROUND = 40, 4
ASKED = {"latency_ms.p50": 0.02, "latency_ms.p99": 0.10}
_SHARES = {"latency_ms.p50": 0.5, "latency_ms.p99": 0.99}


@dataclass(frozen=True)
class Effort:
    """How long to measure.

    Args:
        frames: exactly so many of each contender, in rounds; None measures until `asked` is reached.
        asked: half width of the 95 % interval by the path of a figure, as a share of it.
        at_most_s: seconds after which no further round begins.
    """

    frames: int | None = None
    asked: Mapping[str, float] = field(default_factory=lambda: dict(ASKED))
    at_most_s: float = 60.0


@dataclass(frozen=True)
class Timed:
    """What was timed: for each contender its rounds of frames; frames of one place were timed in one turn."""

    rounds: list[list[list[TimedFrame]]]
    reached: bool

    def of(self, contender: int) -> list[TimedFrame]:
        """All frames of one contender, in order."""
        return [frame for one in self.rounds[contender] for frame in one]


def timed_rounds(contenders: Sequence[Contender], judged: int, effort: Effort, progress: Progress) -> Timed:
    """Time contenders in turns, frame by frame, in rounds that load every engine anew.

    In every other round the order is turned round, so that none always comes behind the same other.

    Args:
        contenders: models first, then yardsticks.
        judged: how many of them, from the first, have to reach what is asked for.
        effort: how long.
        progress: told of every round.
    """
    kept: list[list[list[TimedFrame]]] = [[] for _ in contenders]
    begun = time.perf_counter()
    total = ROUNDS if effort.frames is None else min(ROUNDS, effort.frames)
    frames = FRAMES_A_ROUND if effort.frames is None else math.ceil(effort.frames / total)
    with progress.task("benchmark, rounds", None if effort.frames is None else total) as task:
        while True:
            done = len(kept[0])
            order = range(len(contenders)) if done % 2 == 0 else range(len(contenders) - 1, -1, -1)
            with ExitStack() as stack:
                calls = [contenders[place].call(stack.enter_context(contenders[place].loaded())) for place in order]
                if done == 0 and effort.frames is None:
                    frames = _frames_a_round(sum(_turn_s(call) for call in calls), effort.at_most_s)
                count = frames if effort.frames is None else min(frames, effort.frames - done * frames)
                found = alternate(calls, count, WARM_UP)
            for place, its in zip(order, found, strict=True):
                kept[place].append(its)
            task.advance(1)
            if _enough(kept, judged, effort, total, frames, time.perf_counter() - begun):
                return Timed(kept, _reached(kept[:judged], effort))


def precision_of(rounds: Sequence[Sequence[TimedFrame]]) -> dict[str, float]:
    """Half width of the 95 % interval by the path of a figure, as a share of it; absent where there is none yet."""
    latencies = [np.array([frame.latency_ms for frame in one]) for one in rounds]
    intervals = {path: rounds_interval(latencies, share) for path, share in _SHARES.items()}
    return {path: math.log(ends[1] / ends[0]) / 2 for path, ends in intervals.items() if ends is not None}


def _enough(
    kept: list[list[list[TimedFrame]]], judged: int, effort: Effort, total: int, frames: int, seconds: float
) -> bool:
    done = len(kept[0])
    if effort.frames is not None:
        return done * frames >= effort.frames
    if done < FEWEST_ROUNDS:
        return False
    if done >= MOST_ROUNDS or seconds * (done + 1) / done > effort.at_most_s:
        return True
    return done >= total and _reached(kept[:judged], effort)


def _reached(judged: Sequence[Sequence[Sequence[TimedFrame]]], effort: Effort) -> bool:
    return all(
        precision.get(path, math.inf) <= share
        for precision in map(precision_of, judged)
        for path, share in effort.asked.items()
    )


def _turn_s(call: object) -> float:
    assert callable(call)
    call(0)
    begun = time.perf_counter()
    call(1)
    return 2 * (time.perf_counter() - begun) + 0.03


def _frames_a_round(turn_s: float, at_most_s: float) -> int:
    """So many that the least number of rounds fits into the time."""
    return max(FEWEST_A_ROUND, min(FRAMES_A_ROUND, int(at_most_s / ROUNDS / turn_s)))
