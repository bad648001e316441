"""Textures with premultiplied alpha, shrunk on demand to the size at which they are seen."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Color = tuple[int, int, int]


class Texture:
    """An RGBA picture, uint8 (H, W, 4), with smaller copies; each axis shrinks by itself, as a street is seen askew."""

    __slots__ = ("_levels", "height", "width")

    def __init__(self, rgba: Image) -> None:
        self.height, self.width = rgba.shape[:2]
        alpha = rgba[..., 3:].astype(np.uint16)
        premultiplied = rgba.copy()
        premultiplied[..., :3] = (rgba[..., :3] * alpha + 127) // 255
        self._levels: dict[tuple[int, int], Image] = {(0, 0): premultiplied}

    def seen_at(self, width_px: float, height_px: float) -> Image:
        """The copy for a piece that covers about so many pixels."""
        key = (_halvings(self.width, width_px), _halvings(self.height, height_px))
        level = self._levels.get(key)
        if level is None:
            size = (max(1, self.width >> key[0]), max(1, self.height >> key[1]))
            level = np.asarray(cv2.resize(self._levels[0, 0], size, interpolation=cv2.INTER_AREA), np.uint8)
            self._levels[key] = level
        return level


def _halvings(size: int, seen_px: float) -> int:
    halvings = 0
    while size > 1.5 * seen_px and size > 1:
        size >>= 1
        halvings += 1
    return halvings


def opaque(rgb: Image) -> Texture:
    """A texture without holes from an RGB picture."""
    return Texture(np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)]))


def flat(color: Color) -> Texture:
    """A texture of one colour."""
    return opaque(np.full((4, 4, 3), color, np.uint8))


def cloudy_noise(
    rng: np.random.Generator, height: int, width: int, cells: int, octaves: int = 4
) -> NDArray[np.float32]:
    """Smooth noise in about −1…1, float32 (H, W), ``cells`` bumps across at the coarsest octave."""
    total = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        across = cells << octave
        down = max(2, across * height // width)
        grid = rng.standard_normal((down, across)).astype(np.float32)
        total += cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC) * np.float32(0.5**octave)
    total *= np.float32(0.6)
    return total


def speckled(rgb: Image, rng: np.random.Generator, fine: float, coarse: float) -> Image:
    """The picture with grain and stains, so that plain walls have texture to follow."""
    height, width = rgb.shape[:2]
    grain = rng.standard_normal((height, width)).astype(np.float32) * np.float32(fine)
    stain = cloudy_noise(rng, height, width, 4, 3) * np.float32(coarse)
    dirty: Image = np.clip(rgb + (grain + stain)[..., None], 0, 255).astype(np.uint8)
    return dirty


def shaded(color: Color, factor: float) -> Color:
    """The colour made darker or lighter."""
    r, g, b = (int(np.clip(c * factor, 0, 255)) for c in color)
    return r, g, b
