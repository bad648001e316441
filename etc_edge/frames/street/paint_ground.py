"""The road with its markings, the pavements and the green behind them, as one strip that repeats along the street."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from etc_edge.frames.street.texture import Image, cloudy_noise

PX_PER_M = 28
HALF_WIDTH_M = 14.0
PERIOD_M = 36.0


class GroundStrip:
    """The ground seen from above, uint8 (Z, X, 3) RGB, with copies shrunk along each axis; wraps along Z."""

    def __init__(self, image: Image) -> None:
        self._full = image
        self._levels: dict[tuple[int, int], Image] = {}

    def level(self, x_halvings: int, z_halvings: int) -> Image:
        """The strip shrunk by powers of two, with its first row repeated at its end."""
        key = (x_halvings, z_halvings)
        if key not in self._levels:
            height, width = self._full.shape[:2]
            size = (max(4, width >> x_halvings), max(2, height >> z_halvings))
            small = np.asarray(cv2.resize(self._full, size, interpolation=cv2.INTER_AREA), np.uint8)
            self._levels[key] = np.concatenate([small[-1:], small, small[:1]])
        return self._levels[key]


@lru_cache(maxsize=6)
def ground_strip(variant: int, road_half_m: float, pavement_m: float, shade_side: int) -> GroundStrip:
    """Paint a strip; ``shade_side`` −1, 0 or 1 is the side on which the houses' shadow lies."""
    rng = np.random.default_rng((21, variant))
    height, width = round(PERIOD_M * PX_PER_M), round(2 * HALF_WIDTH_M * PX_PER_M)
    x = (np.arange(width, dtype=np.float32) + 0.5) / PX_PER_M - HALF_WIDTH_M
    image = np.empty((height, width, 3), np.float32)
    road = np.abs(x) < road_half_m
    paved = ~road & (np.abs(x) < road_half_m + pavement_m)
    asphalt = np.array([96, 97, 101], np.float32) * np.float32(rng.uniform(0.82, 1.15))
    image[:, road] = asphalt
    image[:, paved] = _paving(rng, height, int(paved.sum()))
    image[:, ~road & ~paved] = np.array([92, 122, 58], np.float32)
    grain = rng.standard_normal((height, width)).astype(np.float32)
    green = (~road & ~paved).astype(np.float32)
    stains = _tileable(cloudy_noise(rng, height, width, 12, 5))
    image += (grain * (5 + 9 * green) + stains * (6 + 12 * green))[..., None]
    wheels = sum(np.exp(-(((np.abs(x) - track) / 0.28) ** 2)) for track in (0.85, 2.35))
    image -= (np.asarray(wheels, np.float32) * 7 * road)[:, None]
    _patches(image, rng, road_half_m)
    _markings(image, rng, road_half_m)
    kerb = np.abs(np.abs(x) - road_half_m - 0.09) < 0.1
    image[:, kerb] = image[:, kerb] * 0.25 + 132
    gutter = np.abs(np.abs(x) - road_half_m + 0.1) < 0.1
    image[:, gutter] *= 0.78
    if shade_side:
        edge = road_half_m * 0.35
        shadow = 1 / (1 + np.exp(-(x * shade_side - edge) * 5))
        image *= (1 - 0.3 * shadow.astype(np.float32))[:, None]
    return GroundStrip(np.clip(image, 0, 255).astype(np.uint8))


def _paving(rng: np.random.Generator, height: int, width: int) -> NDArray[np.float32]:
    slab = round(0.6 * PX_PER_M)
    tones = rng.uniform(0.92, 1.06, (height // slab + 2, width // slab + 2)).astype(np.float32)
    tone = np.repeat(np.repeat(tones, slab, 0), slab, 1)[:height, :width]
    base = np.array([168, 158, 146], np.float32) * np.float32(rng.uniform(0.88, 1.08))
    paving: NDArray[np.float32] = tone[..., None] * base
    paving[::slab] *= 0.78
    paving[:, ::slab] *= 0.78
    return paving


def _tileable(noise: NDArray[np.float32]) -> NDArray[np.float32]:
    # Fade into itself over the last eighth, so that the strip's two ends meet.
    overlap = noise.shape[0] // 8
    fade = np.linspace(0, 1, overlap, dtype=np.float32)[:, None]
    noise = noise.copy()
    noise[-overlap:] = noise[-overlap:] * (1 - fade) + noise[:overlap][::-1] * fade
    return noise


def _patches(image: NDArray[np.float32], rng: np.random.Generator, road_half_m: float) -> None:
    for _ in range(4):
        x0 = _column(float(rng.uniform(-road_half_m + 0.4, road_half_m - 2.2)))
        z0 = int(rng.integers(0, image.shape[0] - 130))
        wide, long = int(rng.integers(20, 50)), int(rng.integers(30, 120))
        image[z0 : z0 + long, x0 : x0 + wide] *= float(rng.uniform(0.8, 0.92))
    for _ in range(2):
        centre = (_column(float(rng.uniform(-2.5, 2.5))), int(rng.integers(20, image.shape[0] - 20)))
        cv2.circle(image, centre, 9, (62, 62, 64), -1, cv2.LINE_AA)
        cv2.circle(image, centre, 7, (84, 84, 86), 1, cv2.LINE_AA)
    for _ in range(5):
        steps = np.cumsum(rng.normal((0, 9), (5, 4), (24, 2)), 0)
        start = (
            _column(float(rng.uniform(-road_half_m + 0.5, road_half_m - 0.5))),
            int(rng.integers(image.shape[0] - 230)),
        )
        crack = (steps + start).astype(np.int32)
        inside = crack[np.abs(crack[:, 0] - image.shape[1] // 2) < (road_half_m - 0.3) * PX_PER_M]
        cv2.polylines(image, [inside], False, (66, 66, 68), 1, cv2.LINE_AA)


def _markings(image: NDArray[np.float32], rng: np.random.Generator, road_half_m: float) -> None:
    paint = np.array([226, 226, 220], np.float32)
    wear = np.float32(rng.uniform(0.72, 0.95))
    crossing = rng.random() < 0.7
    dash, gap = 3.0, 6.0
    # The last dash would run into the crossing.
    for start in np.arange(1.5, PERIOD_M - 9.0 * crossing, dash + gap):
        _paint(image, -0.07, 0.07, float(start), float(start) + dash, paint, wear)
    for side in (-1, 1):
        edge = side * (road_half_m - 2.1) if road_half_m > 5 else side * (road_half_m - 0.35)
        _paint(image, edge - 0.06, edge + 0.06, 0.0, PERIOD_M, paint, wear * np.float32(0.85))
    if crossing:
        for stripe in np.arange(-road_half_m + 0.5, road_half_m - 0.6, 1.0):
            _paint(image, float(stripe), float(stripe) + 0.5, 30.2, 33.2, paint, wear)


def _paint(
    image: NDArray[np.float32],
    x0: float,
    x1: float,
    z0: float,
    z1: float,
    paint: NDArray[np.float32],
    wear: np.float32,
) -> None:
    area = image[round(z0 * PX_PER_M) : round(z1 * PX_PER_M), _column(x0) : _column(x1)]
    area *= 1 - wear
    area += paint * wear


def _column(x_m: float) -> int:
    return round((x_m + HALF_WIDTH_M) * PX_PER_M)
