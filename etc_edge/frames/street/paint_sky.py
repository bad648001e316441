"""The sky, painted on a plane at infinity, and the moods of light."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from etc_edge.frames.street.texture import Color, Texture, cloudy_noise, opaque


@dataclass(frozen=True, slots=True)
class Mood:
    """The light of a day; gains multiply R, G, B of the finished picture."""

    zenith: Color
    horizon: Color
    clouds: Color
    cloudiness: float
    gains_rgb: tuple[float, float, float]
    contrast: float
    haze_m: float


MOODS: tuple[Mood, ...] = (
    Mood((74, 128, 202), (188, 212, 232), (250, 250, 250), 0.10, (1.04, 1.02, 0.98), 1.00, 260.0),
    Mood((112, 142, 178), (222, 214, 202), (246, 238, 228), 0.35, (1.06, 1.00, 0.92), 0.85, 150.0),
    Mood((150, 158, 168), (206, 208, 210), (226, 228, 230), 0.90, (0.94, 0.96, 1.00), 0.65, 140.0),
    Mood((86, 112, 172), (246, 206, 158), (252, 214, 176), 0.25, (1.14, 1.00, 0.82), 1.10, 190.0),
    Mood((60, 108, 190), (166, 204, 238), (255, 255, 255), -0.15, (1.00, 1.02, 1.04), 1.05, 320.0),
)
HALF_WIDTH, TOP, BOTTOM = 1.5, 1.1, -0.12


@lru_cache(maxsize=8)
def sky(variant: int, mood: int) -> Texture:
    """Clouds before a gradient, thinner towards the horizon as they recede."""
    rng = np.random.default_rng((51, variant))
    light = MOODS[mood]
    height, width = 512, 1024
    elevation = np.linspace(TOP, BOTTOM, height, dtype=np.float32)[:, None]
    mix = np.clip(elevation / 0.7, 0, 1)[..., None] ** 0.6
    rgb = np.array(light.horizon, np.float32) * (1 - mix) + np.array(light.zenith, np.float32) * mix
    noise = cloudy_noise(rng, height, width, 5, 6)
    # Clouds hang at one height: seen lower they are farther, hence flatter.
    rows = np.clip((1 / np.clip(elevation[:, 0] + 0.12, 0.1, 2)) / 8.5, 0, 1) * (height - 1)
    noise = noise[rows.astype(np.int64)]
    cover = 1 / (1 + np.exp(-(noise + light.cloudiness - 0.25) * 6))
    cover *= np.clip((elevation + 0.02) / 0.12, 0, 1)
    under = 1 - 0.16 * np.clip(noise, 0, 1.5)
    clouds = np.array(light.clouds, np.float32) * under[..., None]
    rgb = rgb * (1 - cover[..., None] * 0.9) + clouds * cover[..., None] * 0.9
    return opaque(np.clip(rgb, 0, 255).astype(np.uint8))
