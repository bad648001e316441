"""Intervals of latencies from rounds: what one round has in common is drawn or left out together.

Frames timed behind one another share the state of the machine, the memory that an engine happened to get and whatever
else ran just then, so that hundreds of frames may say no more than a few rounds do (Kalibera & Jones 2013, "Rigorous
benchmarking in reasonable time"). Whole rounds are drawn with replacement, a bootstrap of clusters. Its ends are
widened to Student's t with as many degrees as there are rounds but one; where a round resembles the one before it,
the load drifts more slowly than rounds go by, and the interval grows by what their correlation asks for
(`persistence.drift_factor`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from etc_edge.metrics.bootstrap import FEWEST_ITEMS, LEVEL, Interval, widening
from etc_edge.metrics.persistence import correlation_of_means, drift_factor, neighbour_correlation

Float = npt.NDArray[np.float64]

REPETITIONS = 1000
FEWEST_ROUNDS = 5
"""Rounds below which intervals come from blocks of frames instead (`bootstrap.quantile_interval`)."""

BATCHES = 10
"""Rounds that a plain series of frames is cut into."""

MOST_ROUNDS = 50

FEWEST_STATES = 3
"""Rounds that drift are worth fewer independent ones, N (1 − ρ) / (1 + ρ). Below this number the run saw the machine
change rather than vary about something, and the interval holds every round's own quantile."""


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
    # Distances are widened, not percentiles: beyond the lowest and the highest round there is nothing to draw.
    low, high = np.nanquantile(np.log(found), [(1 - level) / 2, (1 + level) / 2])
    drift = drift_factor(round_correlation(rounds))
    wider = widening(level, len(rounds)) * drift
    low, high = estimate - (estimate - low) * wider, estimate + (high - estimate) * wider
    if len(rounds) / drift**2 < FEWEST_STATES:
        of_rounds = np.log([np.quantile(one, share) for one in rounds])
        low, high = min(low, of_rounds.min()), max(high, of_rounds.max())
    return math.exp(low), math.exp(high)


def round_correlation(rounds: Sequence[Float]) -> float:
    """How alike a round is to the one before it, 0 or more.

    The greater of two: the correlation of the rounds' median logarithms, of which a few rounds say little, and the one
    that means of rounds have where frames are an AR(1) series with the correlation of neighbours within rounds.
    """
    logarithms = [np.log(one) for one in rounds]
    medians = np.array([float(np.median(one)) for one in logarithms])
    if len(medians) < FEWEST_ROUNDS:
        return 0.0
    of_frames = correlation_of_means(neighbour_correlation(logarithms), sum(map(len, rounds)) / len(rounds))
    return max(neighbour_correlation([medians]), of_frames)
