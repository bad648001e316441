"""Which class wins at the pixels of tiles, by interpolating down and then across: with least work, and saying where
that is not sure.

A tile's pixels lie between the same four samples, so a value there is a + x·(b − a), where a and b are on its left and
right edge and interpolated down likewise: two operations a pixel and class, where `bilinear.Largest` needs seven. The
roundings are others. With u = 2⁻²⁴ and no logit larger than m, an edge is off by 5·u·m at most and a value by 10·u·m,
twice that where differences of two logits are taken, whose own rounding is 2·u·m; a value of `Largest` is off by 5·u·m.
So two values that are further apart here than 32·u·m have the same order there.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from etc_edge.backends.bilinear import Float, UInt8
from etc_edge.backends.scratch import Scratch

Mask = npt.NDArray[np.bool_]

# Of the largest logit: how far the largest class has to lead. Twice what is said above.
LEAD = np.float32(2.0**-18)


def wins(difference: Float, down: Float, across: Float, lead: np.float32, scratch: Scratch) -> tuple[Mask, Mask]:
    """Where the second of two classes is the larger one.

    Args:
        difference: float32 (4, tiles), second class less first at the samples above left, above right, below left and
            below right.
        down: float32 (rows, tiles), weights of the samples below at each row of a tile's pixels.
        across: float32 (columns, tiles), weights of the samples to the right.
        lead: how far apart two values have to be.
        scratch: where to compute; the first result lies there.

    Returns:
        bool (rows, columns, tiles), and bool (tiles,) that tells where all of a tile's pixels are sure.
    """
    left, step = _edges(difference, down)
    shape = len(down), len(across), difference.shape[-1]
    value = scratch.array("value", shape, np.float32)
    second, first = scratch.array("second", shape, np.bool_), scratch.array("first", shape, np.bool_)
    np.multiply(step[:, None], across, out=value)
    value += left[:, None]
    np.greater(value, lead, out=second)
    np.less(value, -lead, out=first)
    if np.count_nonzero(second) + np.count_nonzero(first) == value.size:
        return second, np.ones(difference.shape[-1], bool)
    return second, np.logical_and.reduce(second | first, (0, 1))


def largest_of(
    corners: Float, numbers: UInt8, down: Float, across: Float, lead: np.float32, scratch: Scratch
) -> tuple[UInt8, Mask]:
    """The number of the largest of some classes.

    Args:
        corners: float32 (4, classes, tiles), at the samples above left, above right, below left and below right.
        numbers: uint8 (classes, tiles) or (classes, 1), what the classes are called.
        down, across, lead, scratch: as `wins` takes them.

    Returns:
        uint8 (rows, columns, tiles), and bool (tiles,) that tells where all of a tile's pixels are sure.
    """
    _, classes, tiles = corners.shape
    shape = classes, len(across), tiles
    label, sure = scratch.array("label", (len(down), *shape[1:]), np.uint8), np.ones(tiles, bool)
    value = scratch.array("value", shape, np.float32)
    leads, named = scratch.array("leads", shape, np.bool_), scratch.array("named", shape, np.uint8)
    least, count = scratch.array("least", shape[1:], np.float32), scratch.array("count", shape[1:], np.uint8)
    for row, weight in enumerate(down):
        left, step = _edges(corners, weight)
        np.multiply(step[:, None], across, out=value)
        value += left[:, None]
        value.max(0, out=least)
        least -= lead
        np.greater(value, least, out=leads)
        np.multiply(leads.view(np.uint8), numbers[:, None], out=named)
        named.max(0, out=label[row])
        leads.view(np.uint8).sum(0, np.uint8, out=count)
        if count.max() != 1 or count.min() != 1:
            sure &= (count == 1).all(0)
    return label, sure


def _edges(corners: Float, weight: Float) -> tuple[Float, Float]:
    """Values on the left edge of each tile, and what the right edge has more."""
    above_left, above_right, below_left, below_right = corners
    left = weight * (below_left - above_left)
    left += above_left
    step = weight * (below_right - above_right)
    step += above_right
    step -= left
    return left, step
