"""Bilinear upsampling in float32 with every rounding as ONNX Runtime has it, and the largest class at each pixel.

A value is near_x·near_y·a + far_x·near_y·b + near_x·far_y·c + far_x·far_y·d of the samples around it: weights first,
then products, summed from left to right, nothing fused. Weights are ≥ 0, and rounding never turns an order around.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

UInt8 = npt.NDArray[np.uint8]
Float = npt.NDArray[np.float32]
Indices = npt.NDArray[np.intp]

Upsampling = Literal["align_corners", "half_pixel"]
"""Where samples lie, by the name of ONNX's `coordinate_transformation_mode`."""

LONGEST_TILE = 16
"""Positions: with more, so few tiles fit into the processor's cache that numpy's loops over them are short."""


@dataclass(frozen=True, slots=True, eq=False)
class Axis:
    """One axis, its output positions cut into tiles: those between the same two samples, up to a length.

    Args:
        before: intp (out,), the sample before each position.
        behind: intp (out,), the sample behind it; the same one at the end.
        near: float32 (out,), weight of the sample before.
        far: float32 (out,), weight of the sample behind.
        tile_before: intp (tiles,), the sample before each tile.
        tile_pixels: intp (length, tiles), positions in each tile; a short one repeats its last.
    """

    before: Indices
    behind: Indices
    near: Float
    far: Float
    tile_before: Indices
    tile_pixels: Indices

    @classmethod
    def between(cls, size: int, out: int, upsampling: Upsampling) -> Axis:
        """From `size` samples to `out` positions."""
        at = np.clip(_positions(size, out, upsampling), 0, np.float32(size - 1))
        before = np.minimum(at.astype(np.intp), size - 1)
        behind = np.minimum(before + 1, size - 1)
        near, far = np.abs(at - behind.astype(np.float32)), np.abs(at - before.astype(np.float32))
        near[before == behind] = far[before == behind] = 0.5
        length = min(max(1, -(-out // size)), LONGEST_TILE)
        # The outermost samples reach further than others: without a limit all tiles would be as long as theirs.
        begins = np.flatnonzero(np.diff(before, prepend=-1))
        ends = np.append(begins[1:], out)
        starts = np.concatenate([np.arange(begin, end, length) for begin, end in zip(begins, ends, strict=True)])
        stops = np.append(starts[1:], out)
        pixels = np.minimum(starts + np.arange(length)[:, None], stops - 1)
        return cls(before, behind, near, far, before[starts], pixels)


def _positions(size: int, out: int, upsampling: Upsampling) -> Float:
    """Where output positions lie among the samples; each step is rounded to float32."""
    at = np.arange(out, dtype=np.float32)
    if upsampling == "align_corners":
        corners: Float = at * np.float32(size - 1) / np.float32(max(out - 1, 1))
        return corners
    centres: Float = (at + np.float32(0.5)) / (np.float32(out) / np.float32(size)) - np.float32(0.5)
    return centres


class Largest:
    """The first of the largest classes of many pixels, found class by class in ascending order.

    Args:
        near_x, far_x, near_y, far_y: weights that broadcast to the pixels' shape.
    """

    def __init__(self, near_x: Float, far_x: Float, near_y: Float, far_y: Float) -> None:
        self._weights = near_x * near_y, far_x * near_y, near_x * far_y, far_x * far_y
        shape = self._weights[0].shape
        self._best = np.full(shape, -np.inf, np.float32)
        self._value, self._term = np.empty(shape, np.float32), np.empty(shape, np.float32)
        self._greater, self._number = np.empty(shape, bool), np.empty(shape, np.uint8)
        self.label = np.zeros(shape, np.uint8)

    def offer(self, corners: Sequence[Float], number: UInt8 | np.uint8, count: int | None = None) -> None:
        """Take a class into account.

        Args:
            corners: the class's samples above left, above right, below left and below right of the pixels.
            number: of the class, or classes, one for each index of the last axis.
            count: consider only so many indices of the last axis; None takes all.
        """
        part = np.s_[..., :count]
        value, term, best, greater = self._value[part], self._term[part], self._best[part], self._greater[part]
        np.multiply(self._weights[0][part], corners[0], out=value)
        for weight, corner in zip(self._weights[1:], corners[1:], strict=True):
            np.multiply(weight[part], corner, out=term)
            np.add(value, term, out=value)
        np.greater(value, best, out=greater)
        np.maximum(best, value, out=best)
        # What wins later has the higher number; numpy's masked copying takes ten times as long as this.
        np.multiply(greater.view(np.uint8), number, out=self._number[part])
        np.maximum(self.label[part], self._number[part], out=self.label[part])
