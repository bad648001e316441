"""How long a series stays where it is: what neighbours have in common, and by how much that widens intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float64]

MOST_CORRELATED = 0.9
# Values that differ by less, as a share of the largest, are the same but for rounding.
_SAME = 1e-9


def neighbour_correlation(series: Sequence[Float]) -> float:
    """Correlation of values with the ones before them, 0 to 0.9, each series about its own mean.

    Corrected for its bias in short series, (1 + 4ρ) / N (Marriott & Pope 1954, "Bias in the estimation of
    autocorrelations").

    Args:
        series: for each its values in order, float64 (n,).
    """
    series = [one for one in series if len(one)]
    largest = max((float(np.max(np.abs(one))) for one in series), default=0.0)
    if all(float(np.ptp(one)) <= _SAME * largest for one in series):
        return 0.0
    centred = [one - one.mean() for one in series]
    found = sum(float(one[1:] @ one[:-1]) for one in centred) / sum(float(one @ one) for one in centred)
    count = sum(map(len, series)) / len(series)
    return min(max(found + (1 + 4 * found) / count, 0.0), MOST_CORRELATED)


def correlation_of_means(neighbours: float, count: float) -> float:
    """Correlation of means of `count` values each, one mean behind the other, of an AR(1) series.

    ρ (1 − ρᵐ)² / (m (1 − ρ²) − 2ρ (1 − ρᵐ)), from the sums of its autocovariances ρᵏ.

    Args:
        neighbours: the correlation of its values with the ones before them, ρ, 0 or more and below 1.
        count: how many values a mean is of, m.
    """
    lost = 1 - math.pow(neighbours, count)
    return neighbours * lost**2 / (count * (1 - neighbours**2) - 2 * neighbours * lost)


def drift_factor(correlation: float) -> float:
    """By how much an interval of a mean grows where values have this correlation with the ones before them.

    √((1 + ρ) / (1 − ρ)): the standard error of the mean of an AR(1) series, beside that of independent values.
    """
    return math.sqrt((1 + correlation) / (1 - correlation))
