"""The camera's own mark on a picture: exposure, colour, softness and noise."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from etc_edge.frames.street.paint_sky import Mood
from etc_edge.frames.street.path import Sway, sway
from etc_edge.frames.street.texture import Image

NOISE_PX = 384


@dataclass(frozen=True, slots=True)
class Look:
    """One camera in one light."""

    seed: int
    gains_rgb: tuple[float, float, float]
    contrast: float
    exposure: Sway
    softness_px: float
    noise: float


def look(rng: np.random.Generator, seed: int, mood: Mood) -> Look:
    """A random camera."""
    gains = tuple(float(g * rng.uniform(0.97, 1.03)) for g in mood.gains_rgb)
    exposure, softness, noise = sway(rng, 0.05, 0.12), float(rng.uniform(0.35, 0.75)), float(rng.uniform(1.2, 3.2))
    return Look(seed, (gains[0], gains[1], gains[2]), mood.contrast, exposure, softness, noise)


def develop(scene: Image, camera: Look, index: int, time_s: float) -> Image:
    """Turn a painted scene, uint8 (H, W, 4), into the picture that the camera gives, uint8 (H, W, 3) RGB."""
    levels = np.arange(256, dtype=np.float32) / 255
    curve = levels + (camera.contrast - 0.8) * 0.35 * np.sin(2 * np.pi * (levels - 0.5)) / (2 * np.pi) * -1
    exposed = curve[:, None] * np.array(camera.gains_rgb, np.float32) * np.float32(1 + camera.exposure(time_s))
    # Bright light bends over instead of clipping.
    bent = np.where(exposed > 0.8, 0.8 + 0.2 * np.tanh((exposed - 0.8) / 0.2), exposed)
    table = np.clip(bent * 255 + 0.5, 0, 255).astype(np.uint8)[None]
    picture = cv2.cvtColor(scene, cv2.COLOR_RGBA2RGB)
    picture = cv2.LUT(picture, table)
    picture = cv2.GaussianBlur(picture, (3, 3), camera.softness_px)
    rng = np.random.default_rng((camera.seed, 81, index))
    # A fresh draw for every value would cost as much as the picture: one sheet of noise, laid on at random.
    sheet = _noise_sheet(camera.seed, camera.noise)
    across, down = (int(v) for v in rng.integers(NOISE_PX, size=2))
    rows = np.arange(down, down + picture.shape[0]) % NOISE_PX
    noise = np.take(np.take(sheet, rows, 0), np.arange(across, across + picture.shape[1]) % NOISE_PX, 1)
    return np.asarray(cv2.add(picture, noise, dtype=cv2.CV_8U), np.uint8)


@lru_cache(maxsize=8)
def _noise_sheet(seed: int, sigma: float) -> NDArray[np.int16]:
    rng = np.random.default_rng((seed, 82))
    grey = rng.standard_normal((NOISE_PX, NOISE_PX, 1), np.float32) * np.float32(sigma * 0.8)
    color = rng.standard_normal((NOISE_PX, NOISE_PX, 3), np.float32) * np.float32(sigma * 0.6)
    sheet: NDArray[np.int16] = np.rint(grey + color).astype(np.int16)
    return sheet
