"""How latency changed between two runs, adjusted for what another network, timed in turns, tells of the machine.

An analysis of covariance: the latency of each part of a run is explained by the run that it is of and by the time that
the other network, the covariate, took in that part. Other processes, heat or a neighbour on the same hardware slow two
networks down together, but not by the same factor: one that shares its work among cores worse loses less. How much of
the covariate's change comes back in the latency, the *response*, is estimated from parts of the same run; so far as
they cannot tell, it is what networks mostly do. Parts that went otherwise weigh less (Huber 1964, "Robust estimation of
a location parameter").
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from etc_edge.metrics.bootstrap import LEVEL, normal_quantile, student_quantile
from etc_edge.metrics.persistence import drift_factor, neighbour_correlation

Float = npt.NDArray[np.float64]

PARTS = 2
"""Parts of a round: their medians have little noise left, and a burst of other work seldom fills a round."""

HUBER = 1.0
"""Parts further off than this many standard deviations count less."""

LEAST_RELIABLE = 0.5
"""A slope says nothing where less than this share of the covariate's variance is of the machine, and not noise."""


@dataclass(frozen=True)
class Response:
    """The share of a change of the covariate's logarithm that comes back in the latency's: what networks mostly do.

    Args:
        mean: 1 for a slower clock, less where a core is lost that the covariate uses better.
        spread: its standard deviation from network to network. Where a run itself saw the machine change, it matters
            little; where only the other run did, it says how far to trust the mean.
    """

    mean: float
    spread: float


@dataclass(frozen=True)
class Adjusted:
    """A change of latency from one run to another.

    Args:
        change: of the logarithm of the latency, adjusted for the machine.
        half_width: how far either way chance within the runs may have moved it.
        machine: what the state of the machine did to the logarithm of the latency.
        unknown: how far either way what is not known of the response may have moved it.
    """

    change: float
    half_width: float
    machine: float
    unknown: float


@dataclass(frozen=True)
class Turns:
    """One run, round by round: for each round the latencies, in ms, and those of the covariate on the same turns."""

    latencies: Sequence[Float]
    covariates: Sequence[Float]


def adjusted_change(base: Turns, new: Turns, usual: Response, level: float = LEVEL) -> Adjusted:
    """The change of the latency from base to new.

    Args:
        base, new: rounds of two runs; each at least three of two or more turns.
        usual: what is assumed of the response, so far as the runs cannot tell it.
        level: how often intervals of this kind hold the change.
    """
    parts = [_Parts.of(base), _Parts.of(new)]
    response = _response(parts, usual)
    moved = float(np.mean(parts[1].covariate) - np.mean(parts[0].covariate))
    runs = [_location(run.latency - response.mean * run.covariate) for run in parts]
    change = runs[1][0] - runs[0][0]
    chance = _half_width([one.by_round(added) for one, (_, added) in zip(parts, runs, strict=True)], level)
    return Adjusted(change, chance, response.mean * moved, normal_quantile(level) * response.spread * abs(moved))


@dataclass(frozen=True)
class _Parts:
    """Medians of logarithms of a run's parts, float64 (parts,), the noise of the covariate's, and the parts' rounds."""

    latency: Float
    covariate: Float
    noise: float
    rounds: npt.NDArray[np.int64]

    @classmethod
    def of(cls, turns: Turns) -> _Parts:
        pieces = [
            (number, np.log(times), np.log(others))
            for number, (ours, theirs) in enumerate(zip(turns.latencies, turns.covariates, strict=True))
            for times, others in zip(np.array_split(ours, PARTS), np.array_split(theirs, PARTS), strict=True)
            if len(times)
        ]
        # The variance of a median of n normal values is π/2 of their mean's, theirs that of steps from turn to turn.
        steps = np.concatenate([np.diff(others) for _, _, others in pieces])
        of_one = _scale(steps) ** 2 / 2
        noise = float(np.mean([math.pi / 2 * of_one / len(others) for _, _, others in pieces]))
        return cls(
            np.array([np.median(times) for _, times, _ in pieces]),
            np.array([np.median(others) for _, _, others in pieces]),
            noise,
            np.array([number for number, _, _ in pieces]),
        )

    def by_round(self, values: Float) -> Float:
        """Means of values, one a part, over the parts of each round."""
        return np.array([values[self.rounds == number].mean() for number in np.unique(self.rounds)])


def _response(runs: Sequence[_Parts], usual: Response) -> Response:
    """The slope within runs and the usual response, put together as two measurements of one thing.

    The slope is made greater by what noise of the covariate takes from it (Fuller 1987, "Measurement error models",
    1.2).
    """
    of = np.repeat([0, 1], [len(run.covariate) for run in runs])
    design = np.stack([of == 0, of == 1, np.concatenate([run.covariate for run in runs])], axis=1).astype(np.float64)
    values = np.concatenate([run.latency for run in runs])
    weights = np.ones(len(values))
    for _ in range(20):
        root = np.sqrt(weights)
        solution = np.linalg.lstsq(design * root[:, None], values * root, rcond=None)[0]
        rest = values - design @ solution
        weights = _weights(rest)
    centred = design[:, 2] - np.array([np.average(run.covariate) for run in runs])[of]
    total = float(weights @ centred**2)
    noise = float(weights @ np.array([run.noise for run in runs])[of])
    reliable = 1 - noise / total if total > 0 else 0.0
    if reliable <= LEAST_RELIABLE:
        return usual
    near = max(float((weights == 1) @ centred**2), 1e-12)
    spread = math.sqrt(float((weights * rest) ** 2 @ centred**2)) / near / reliable
    known, assumed = 1 / max(spread, 1e-6) ** 2, 1 / usual.spread**2
    mean = (float(solution[2]) / reliable * known + usual.mean * assumed) / (known + assumed)
    return Response(mean, 1 / math.sqrt(known + assumed))


def _location(values: Float) -> tuple[float, Float]:
    """Huber's estimate of where values lie, and what each value adds to it, times their number."""
    centre, weights = float(np.median(values)), np.ones(len(values))
    for _ in range(20):
        weights = _weights(values - centre)
        centre = float(np.average(values, weights=weights))
    return centre, weights * (values - centre) / np.mean(weights == 1)


def _half_width(runs: Sequence[Float], level: float) -> float:
    """Of the difference of two means of rounds: Welch's (1947), with Satterthwaite's degrees of freedom.

    Wider where rounds resemble the ones before them (`persistence.drift_factor`), which both runs tell together.
    """
    squares = [float(np.var(one, ddof=1)) / len(one) for one in runs]
    if not any(squares):
        return 0.0
    degrees = sum(squares) ** 2 / sum(one**2 / (len(run) - 1) for one, run in zip(squares, runs, strict=True))
    quantile = student_quantile((1 + level) / 2, int(degrees))
    return quantile * math.sqrt(sum(squares)) * drift_factor(neighbour_correlation(runs))


def _weights(rest: Float) -> Float:
    scale = _scale(rest)
    if scale == 0:
        return np.ones(len(rest))
    weights: Float = np.minimum(1.0, HUBER * scale / np.maximum(np.abs(rest), 1e-12))
    return weights


def _scale(values: Float) -> float:
    """Standard deviation about 0 from the median of magnitudes, where a few values may be anything."""
    return 1.4826 * float(np.median(np.abs(values))) if len(values) else 0.0
