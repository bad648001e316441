"""Bootstrap over clips and blocks of neighbouring frames: how far a figure would be off on other frames of the kind.

Neighbouring frames resemble each other, so that a frame is worth less than one independent observation. Blocks of
neighbours are drawn instead of frames (Politis & Romano 1992, circular blocks), as long as the figures' own
autocorrelation asks for (`block_length`); where there are several clips, they are drawn first, with replacement, and
the blocks inside each; for a single clip, what its neighbouring blocks still have in common is added. With few
blocks percentiles of the bootstrap are too narrow; they are widened to Student's t (Hesterberg 2015, "What teachers
should know about the bootstrap", section 5.3). What no drawing can know is what other clips would show: intervals of
one or two clips speak of frames like these.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from etc_edge.metrics.block_length import block_length
from etc_edge.metrics.persistence import correlation_of_means, drift_factor, neighbour_correlation

Float = npt.NDArray[np.float64]
Interval = tuple[float, float]

LEVEL = 0.95
REPETITIONS = 2000
FEWEST_ITEMS = 8
"""Frames or pairs below which no interval is given."""

FEWEST_UNITS = 3
"""Independent observations below which Student's quantile is beyond its expansion, and what was drawn, anyway."""

# Numbers that are gathered at once: bounds memory to some tens of megabytes.
_AT_ONCE = 4_000_000


def sums_interval(
    clips: Sequence[Float],
    statistic: Callable[[Float], Float],
    level: float = LEVEL,
    repetitions: int = REPETITIONS,
    seed: int = 0,
) -> Interval | None:
    """An interval of a figure that is worked out from sums over frames, such as mIoU from intersections and unions.

    Args:
        clips: for each clip its counts, float64 (frames, F), in order.
        statistic: the figure of each row of sums, (R, F) to (R,).
        level: how often intervals of this kind hold the figure of the whole population.
        repetitions: how many times frames are drawn.
        seed: of the drawing; the same counts give the same interval.

    Returns:
        Lower and upper end, or None where there are too few frames to say.
    """
    clips = [clip for clip in clips if len(clip)]
    if sum(map(len, clips)) < FEWEST_ITEMS:
        return None
    influence = _influence(clips, statistic)
    block = block_length(influence)
    sums = resampled_sums(clips, block, repetitions, np.random.default_rng(seed))
    return _ends(statistic(sums), level, _units([len(clip) for clip in clips], block), _lost(influence, block))


def quantile_interval(
    values: Float, share: float, level: float = LEVEL, repetitions: int = REPETITIONS, seed: int = 0
) -> Interval | None:
    """An interval of a quantile of values in the order of their measurement, such as the p99 of latencies.

    Args:
        values: float64 (N,), in order.
        share: the quantile, 0 to 1.
        level: see `sums_interval`.
        repetitions: see `sums_interval`.
        seed: see `sums_interval`.

    Returns:
        Lower and upper end, or None where N values do not bound the quantile: when all of N independent values lie on
        one side of it with a probability above (1 − level) / 2. For a p99 at 95 % that is below 368 values.
    """
    count, tail = len(values), (1 - level) / 2
    if count < FEWEST_ITEMS or max(share, 1 - share) ** count > tail:
        return None
    above = [(values > np.quantile(values, share)).astype(np.float64)]
    block = block_length(above)
    random = np.random.default_rng(seed)
    found = np.empty(repetitions)
    step = max(1, _AT_ONCE // count)
    for begin in range(0, repetitions, step):
        chosen = _block_indices(count, block, min(step, repetitions - begin), random)
        found[begin : begin + step] = np.quantile(values[chosen], share, axis=1)
    return _ends(found, level, _units([count], block), _lost(above, block))


def resampled_sums(clips: Sequence[Float], block: int, repetitions: int, random: np.random.Generator) -> Float:
    """Sums over clips drawn with replacement and, in each, circular blocks of neighbours: float64 (repetitions, F).

    A single clip is always taken; a clip that is shorter than `block` is one block.
    """
    count = len(clips)
    drawn = random.multinomial(count, [1 / count] * count, size=repetitions)
    sums = np.zeros((repetitions, clips[0].shape[1]))
    for number, clip in enumerate(clips):
        of_repetition = np.repeat(np.arange(repetitions), drawn[:, number])
        np.add.at(sums, of_repetition, _clip_sums(clip, block, len(of_repetition), random))
    return sums


def student_quantile(share: float, degrees: int) -> float:
    """Quantile of Student's t by its expansion about the normal one (Abramowitz & Stegun 26.7.5)."""
    z, n = NormalDist().inv_cdf(share), degrees
    return (
        z
        + (z**3 + z) / (4 * n)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * n**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * n**3)
        + (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / (92160 * n**4)
    )


def normal_quantile(level: float) -> float:
    """Standard deviations either way of a normal distribution's middle that hold this share of it: 1.96 for 0.95."""
    return NormalDist().inv_cdf((1 + level) / 2)


def widening(level: float, units: int) -> float:
    """By how much an interval of what drawing again finds is to grow, for so many independent units; more than 1.

    √(N / (N − 1)), since drawing again knows the spread about the mean that was found, times Student's quantile with
    N − 1 degrees over the normal one. Below `FEWEST_UNITS` it grows no more.
    """
    units = max(FEWEST_UNITS, units)
    share = (1 + level) / 2
    return math.sqrt(units / (units - 1)) * student_quantile(share, units - 1) / NormalDist().inv_cdf(share)


def _influence(clips: Sequence[Float], statistic: Callable[[Float], Float]) -> list[Float]:
    """How much each frame moves the figure: what is lost when it is left out, one series a clip."""
    total = np.sum([clip.sum(0) for clip in clips], axis=0)
    whole = statistic(total[None])[0]
    return [np.nan_to_num(whole - statistic(total - clip)) for clip in clips]


def _clip_sums(clip: Float, block: int, times: int, random: np.random.Generator) -> Float:
    length, features = clip.shape
    lengths = _lengths(length, block)
    # Sums of blocks are differences of running sums; the clip stands twice, so that blocks may run over its end.
    running = np.concatenate([np.zeros((1, features)), np.cumsum(np.concatenate([clip, clip]), axis=0)])
    sums = np.empty((times, features))
    step = max(1, _AT_ONCE // (len(lengths) * features))
    for begin in range(0, times, step):
        starts = random.integers(0, length, (min(step, times - begin), len(lengths)))
        sums[begin : begin + step] = (running[starts + lengths] - running[starts]).sum(1)
    return sums


def _block_indices(count: int, block: int, times: int, random: np.random.Generator) -> npt.NDArray[np.intp]:
    blocks = len(_lengths(count, block))
    starts = random.integers(0, count, (times, blocks, 1))
    indices: npt.NDArray[np.intp] = ((starts + np.arange(min(block, count))) % count).reshape(times, -1)[:, :count]
    return indices


def _lengths(count: int, block: int) -> npt.NDArray[np.intp]:
    """Lengths of the blocks that make up `count` items; the last one may be shorter."""
    block = min(block, count)
    lengths = np.full(-(-count // block), block, np.intp)
    lengths[-1] = count - block * (len(lengths) - 1)
    return lengths


def _units(lengths: Sequence[int], block: int) -> int:
    """How many observations count as independent: blocks, but no more than two of a clip where there are several."""
    blocks = sum(-(-length // min(block, length)) for length in lengths)
    return blocks if len(lengths) == 1 else min(blocks, 2 * len(lengths))


def _lost(series: Sequence[Float], block: int) -> float:
    """By how much an interval grows for what blocks have in common with the neighbours that drawing takes from them.

    Several clips are drawn whole before their blocks are, and bring it along.
    """
    if len(series) > 1:
        return 1.0
    return drift_factor(correlation_of_means(neighbour_correlation(series), block))


def _ends(found: Float, level: float, units: int, wider: float) -> Interval:
    """Ends of an interval from what drawing again found, widened by percentiles, so that they stay what can be."""
    tail = NormalDist().cdf(-wider * widening(level, units) * NormalDist().inv_cdf((1 + level) / 2))
    low, high = np.nanquantile(found, [tail, 1 - tail])
    return float(low), float(high)
