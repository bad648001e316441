"""What our INT8 shall reach beside FP32 and beside every peer: no figure behind, and no time above."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from measuring.comparison import FIGURES, Measured, ratio
from measuring.line_up import OURS, TUNED
from measuring.peers import PEERS
from measuring.record import Goal

SPEED_GOAL = 3.6
PEER_TIME_GOAL = 1.05

DROP_GOALS = {OURS: 0.005, TUNED: 0.0}
"""What may be lost of mIoU and of tc against FP32, as a fraction."""

SHORT = {OURS: "ours", TUNED: "ours fine-tuned"}


def time_ratios(measured: Sequence[Measured], fastest_fp32: Measured, chosen: str) -> dict[str, float]:
    """Times as multiples of one another's: FP32 to ours, and ours to each peer, on our choice and on its engine."""
    ours = {one.contender.backend: one for one in measured if one.contender.maker == OURS}
    ratios = {f"FP32 on {fastest_fp32.contender.backend} / ours on {chosen}": 1 / ratio(ours[chosen], fastest_fp32)}
    for one in measured:
        other = one.contender
        if other.maker == TUNED and other.backend == chosen:
            ratios[f"ours fine-tuned on {chosen} / ours on {chosen}"] = ratio(one, ours[chosen])
        for backend in dict.fromkeys((chosen, other.backend)) if other.maker in PEERS else ():
            if backend in ours:
                ratios[f"ours on {backend} / {other.maker} on {other.backend}"] = ratio(ours[backend], one)
    return ratios


def goals(measured: Sequence[Measured], ratios: Mapping[str, float], chosen: str, with_speed: bool) -> list[Goal]:
    """The goals of a comparison.

    Args:
        measured: FP32 first.
        ratios: those of `time_ratios`.
        chosen: the engine that ours runs on.
        with_speed: whether how much faster than FP32 it is counts.
    """
    (speed_name, speed), *other_times = ratios.items()
    found = [Goal(name=f"time: {speed_name}", value=speed, sense="at least", bound=SPEED_GOAL)] if with_speed else []
    ours = [one for one in measured if one.contender.maker in SHORT and one.contender.backend == chosen]
    for mine in ours:
        bound = DROP_GOALS[mine.contender.maker]
        found += [_goal(mine, measured[0], "FP32", figure, bound) for figure in ("mIoU", "tc")]
    for other in measured:
        if other.contender.maker in PEERS:
            found += [_goal(mine, other, other.contender.maker, figure, 0.0) for mine in ours for figure in FIGURES]
    return found + [
        Goal(name=f"time: {name}", value=value, sense="at most", bound=PEER_TIME_GOAL) for name, value in other_times
    ]


def _goal(mine: Measured, other: Measured, name: str, figure: str, bound: float) -> Goal:
    short = SHORT[mine.contender.maker]
    difference = f"{name} − {short}" if FIGURES[figure] > 0 else f"{short} − {name}"
    return Goal(name=f"{figure}: {difference}", value=mine.behind(other, figure), sense="at most", bound=bound)
