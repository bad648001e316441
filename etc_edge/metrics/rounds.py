"""Intervals of latencies from rounds: what one round has in common is drawn or left out together.

Frames timed behind one another share the state of the machine, the memory that an engine happened to get and whatever
else ran just then, so that hundreds of frames may say no more than a few rounds do (Kalibera & Jones 2013, "Rigorous
benchmarking in reasonable time"). Whole rounds are drawn with replacement, a bootstrap of clusters; its ends are
widened to Student's t with as many degrees as there are rounds but one; where a round resembles the one before it,
the load drifts more slowly than rounds go by, and the interval grows by √((1 + ρ) / (1 − ρ)), ρ being their
correlation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from etc_edge.metrics.bootstrap import FEWEST_ITEMS, LEVEL, Interval, percentile_ends

Float = npt.NDArray[np.float64]

REPETITIONS = 1000
FEWEST_ROUNDS = 5
"""Rounds below which intervals come from blocks of frames instead (`bootstrap.quantile_interval`)."""

BATCHES = 10
"""Rounds that a plain series of frames is cut into."""

MOST_ROUNDS = 50

_MOST_CORRELATED = 0.9
# Logarithms of medians that differ by less are the same but for rounding.
_SAME = 1e-9


def split_rounds(values: Float, lengths: Sequence[int]) -> list[Float]:
    """Values behind one another as rounds of these lengths; a long series, or very many, become batches."""
    rounds = [one for one in np.split(values, np.cumsum(lengths)[:-1]) if len(one)]
    if len(rounds) > MOST_ROUNDS:
        return list(np.array_split(values, MOST_ROUNDS))
    if len(rounds) >= FEWEST_ROUNDS or len(values) < BATCHES * FEWEST_ITEMS:
        return rounds
    return list(np.array_split(values, BATCHES))


def rounds_interval(
    rounds: Sequence[Float], share: float, level: float = LEVEL, repetitions: int = REPETITIONS, seed: int = 0
) -> Interval | None:
    """An interval of a quantile of positive values, such as latencies or their ratios, measured in rounds.

    Args:
        rounds: for each its values, float64 (n,), in order.
        share: the quantile, 0 to 1.
        level: how often intervals of this kind hold the quantile of rounds without end.
        repetitions: how many times rounds are drawn.
        seed: of the drawing; the same values give the same interval.

    Returns:
        Lower and upper end, or None with fewer than `FEWEST_ROUNDS` rounds, or where so many values do not bound the
        quantile (see `bootstrap.quantile_interval`).
    """
    pooled = np.concatenate(rounds) if rounds else np.empty(0)
    if len(rounds) < FEWEST_ROUNDS or max(share, 1 - share) ** len(pooled) > (1 - level) / 2:
        return None
    estimate = math.log(float(np.quantile(pooled, share)))
    random = np.random.default_rng(seed)
    drawn = random.integers(0, len(rounds), (repetitions, len(rounds)))
    if len({len(one) for one in rounds}) == 1:
        found = np.quantile(np.stack(list(rounds))[drawn].reshape(repetitions, -1), share, axis=1)
    else:
        found = np.array([np.quantile(np.concatenate([rounds[place] for place in row]), share) for row in drawn])
    low, high = percentile_ends(np.log(found), level, len(rounds))
    # Far out in the tail few rounds hold the values that matter, and drawing them again knows only their own spread.
    wider = drift_factor(rounds)
    return math.exp(estimate - (estimate - low) * wider), math.exp(estimate + (high - estimate) * wider)


def drift_factor(rounds: Sequence[Float]) -> float:
    """By how much intervals grow because neighbouring rounds are alike: √((1 + ρ) / (1 − ρ)), 1 or more.

    ρ is the correlation of the rounds' median logarithms with those of the rounds before, corrected for its bias in
    short series, (1 + 3ρ) / N (Kendall 1954).
    """
    medians = np.array([float(np.median(np.log(one))) for one in rounds])
    centred = medians - medians.mean()
    spread = float(centred @ centred)
    if len(medians) < FEWEST_ROUNDS or np.ptp(medians) < _SAME:
        return 1.0
    correlation = float(centred[1:] @ centred[:-1]) / spread
    correlation += (1 + 3 * correlation) / len(medians)
    correlation = min(max(correlation, 0.0), _MOST_CORRELATED)
    return math.sqrt((1 + correlation) / (1 - correlation))
