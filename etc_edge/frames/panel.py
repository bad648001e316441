"""Letters on a dark ground that lets the picture through: drawn now and then, laid over every frame."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

UInt8 = npt.NDArray[np.uint8]
Color = tuple[int, int, int]

GROUND: Color = (18, 20, 24)
# How much of the picture shows through the ground; none of it does through letters.
THROUGH = 0.3
# What the ground adds below letters that cover by 0 to 255, uint8 (1, 256, 3).
_ADDED = np.rint((1 - THROUGH) * (1 - np.arange(256)[:, None] / 255) * GROUND).astype(np.uint8)[None]


class Panel:
    """A part of a picture with letters and swatches on it.

    A pixel becomes t·picture + own, where t = 0.3·(1 − letter) and own = letter·colour + 0.7·(1 − letter)·ground: one
    product and one sum, each rounded to a byte.

    Args:
        size_hw: of the part, in pixels.
    """

    def __init__(self, size_hw: tuple[int, int]) -> None:
        self.size_hw = size_hw
        self._letters = np.zeros(size_hw, np.uint8)
        self._colors = np.zeros((*size_hw, 3), np.uint8)
        self._through: UInt8 | None = None
        self._own = self._colors

    def write(self, mask: UInt8, x: int, y: int, color: Color) -> None:
        """Put letters, or anything else that covers by its mask uint8 (h, w), at a place; what is outside is left out.

        The whole rectangle of the mask becomes what the mask says, whatever was there.
        """
        height, width = self.size_hw
        rows, columns = (
            slice(max(y, 0), min(y + mask.shape[0], height)),
            slice(max(x, 0), min(x + mask.shape[1], width)),
        )
        if rows.start < rows.stop and columns.start < columns.stop:
            self._letters[rows, columns] = mask[rows.start - y : rows.stop - y, columns.start - x : columns.stop - x]
            self._colors[rows, columns] = color

    def cover(self, area: UInt8) -> None:
        """Lay it over a part of a picture, uint8 (*size_hw, 3); nothing is written after that."""
        import cv2

        if self._through is None:
            letters = cv2.cvtColor(self._letters, cv2.COLOR_GRAY2RGB)
            own = cv2.add(cv2.multiply(letters, self._colors, scale=1 / 255), cv2.LUT(letters, _ADDED))
            through = cv2.convertScaleAbs(letters, alpha=-THROUGH, beta=255 * THROUGH)
            self._own, self._through = np.asarray(own, np.uint8), np.asarray(through, np.uint8)
        seen = cv2.multiply(area, self._through, scale=1 / 255)
        np.copyto(area, cv2.add(seen, self._own, dst=seen))
