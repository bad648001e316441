"""How latency changed between two runs, adjusted for what another network, timed in turns, tells of the machine.

An analysis of covariance: other processes, heat or a neighbour on the same hardware slow two networks down together,
but not by the same factor; one that shares its work among cores worse loses less. How much of the other network's, the
covariate's, change comes back in the latency, the *response*, is estimated from parts of the same runs; so far as they
cannot tell, it is what networks mostly do. Two things are compared, and the one that varied less within the runs is
believed:

- Parts of rounds, each adjusted by its own covariate: best for a load that drifts. Parts that went otherwise weigh less
  (Huber 1964, "Robust estimation of a location parameter").
- Fast calls, a low quantile of each run: best for a load that comes in spells, since those only ever add time (Chen &
  Revels 2016, "Robust benchmarking in noisy environments"). Spells as long as a run move the covariate's, too.
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

FAST = 0.1
"""The quantile of calls that are fast. The single fastest is chance."""

DENSITY = 0.06
"""How far either way of `FAST` lie the quantiles from which the density of calls there is worked out."""

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
        half_width: how far either way chance within the runs, and what is not known of the response, may have moved it.
        machine: what the state of the machine did to the logarithm of a latency, slow ones as well.
        unknown: how far either way what is not known of the response may have moved that.
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
    parts = _Parts.of(base), _Parts.of(new)
    response = _response(parts, usual)
    unknown = normal_quantile(level) * response.spread
    medians = [run.location(response.mean) for run in parts]
    fast = [_fast_calls(run, response.mean) for run in (base, new)]
    drift = drift_factor(neighbour_correlation([run.added for run in medians]))
    half_width, change = min(_apart(medians, unknown, level, drift), _apart(fast, unknown, level))
    moved = parts[1].covariate.mean() - parts[0].covariate.mean()
    return Adjusted(change, half_width, float(response.mean * moved), float(unknown * abs(moved)))


@dataclass(frozen=True)
class _Location:
    """Where the adjusted logarithms of a run's latencies lie, and those of its covariate.

    Args:
        latency, covariate: where.
        added: what each round adds to `latency`, times the number of rounds, float64 (rounds,).
    """

    latency: float
    covariate: float
    added: Float


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

    def location(self, response: float) -> _Location:
        """Huber's estimate over parts."""
        values = self.latency - response * self.covariate
        centre, weights = float(np.median(values)), np.ones(len(values))
        for _ in range(20):
            weights = _weights(values - centre)
            centre = float(np.average(values, weights=weights))
        added = weights * (values - centre) / np.mean(weights == 1)
        by_round = [added[self.rounds == number].mean() for number in np.unique(self.rounds)]
        return _Location(centre, float(self.covariate.mean()), np.array(by_round))


def _fast_calls(turns: Turns, response: float) -> _Location:
    """The quantile `FAST` of all calls, and each round's influence on it.

    A quantile's influence function is (share − [value ≤ quantile]) / density; a round's is its mean there.
    """
    places, added = [], []
    for rounds in (turns.latencies, turns.covariates):
        values = [np.log(one) for one in rounds]
        low, place, high = np.quantile(np.concatenate(values), [FAST - DENSITY, FAST, FAST + DENSITY])
        places.append(float(place))
        added.append(np.array([FAST - np.mean(one <= place) for one in values]) * (high - low) / (2 * DENSITY))
    return _Location(places[0] - response * places[1], places[1], added[0] - response * added[1])


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


def _apart(runs: Sequence[_Location], unknown: float, level: float, drift: float = 1.0) -> tuple[float, float]:
    """Half width of the interval of the change from one run to the other, and the change.

    Args:
        runs: base and new.
        unknown: how far either way the response is not known.
        level: how often intervals of this kind hold the change.
        drift: by how much rounds that resemble the ones before them widen it.
    """
    before, after = runs
    chance = drift * _half_width([before.added, after.added], level)
    moved = abs(after.covariate - before.covariate)
    return math.hypot(chance, unknown * moved), after.latency - before.latency


def _half_width(runs: Sequence[Float], level: float) -> float:
    """Of the difference of two means of rounds: Welch's (1947), with Satterthwaite's degrees of freedom."""
    squares = [float(np.var(one, ddof=1)) / len(one) for one in runs]
    if not any(squares):
        return 0.0
    degrees = sum(squares) ** 2 / sum(one**2 / (len(run) - 1) for one, run in zip(squares, runs, strict=True))
    quantile = student_quantile((1 + level) / 2, int(degrees))
    return quantile * math.sqrt(sum(squares))


def _weights(rest: Float) -> Float:
    scale = _scale(rest)
    if scale == 0:
        return np.ones(len(rest))
    weights: Float = np.minimum(1.0, HUBER * scale / np.maximum(np.abs(rest), 1e-12))
    return weights


def _scale(values: Float) -> float:
    """Standard deviation about 0 from the median of magnitudes, where a few values may be anything."""
    return 1.4826 * float(np.median(np.abs(values))) if len(values) else 0.0
