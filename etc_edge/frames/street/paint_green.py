"""Trees, bushes and the woods at the street's far end."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from etc_edge.frames.street.texture import Color, Texture, cloudy_noise, shaded, speckled

LEAVES: tuple[Color, ...] = ((74, 110, 46), (96, 124, 52), (58, 96, 56), (120, 126, 50), (150, 112, 44), (84, 118, 72))


@lru_cache(maxsize=32)
def crown(variant: int) -> Texture:
    """One layer of leaves: lit from above, ragged at the edge, with holes."""
    rng = np.random.default_rng((31, variant))
    size = 160
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / (size - 1) * 2 - 1
    cover = np.full((size, size), -1.0, np.float32)
    light = np.zeros((size, size), np.float32)
    tall = float(rng.uniform(0.8, 1.0))
    for _ in range(16):
        angle, reach = rng.uniform(0, 2 * np.pi), float(np.sqrt(rng.uniform(0, 1))) * 0.55
        cx, cy = float(np.cos(angle)) * reach, float(np.sin(angle)) * reach * tall
        radius = float(rng.uniform(0.24, 0.42))
        inside = 1 - ((x - cx) ** 2 + (y - cy) ** 2) / radius**2
        nearer = inside > cover
        cover = np.where(nearer, inside, cover)
        light = np.where(nearer, (cy - y) / radius * 0.22 - cy * 0.2 + (cx - x) / radius * 0.06, light)
    leaves = cloudy_noise(rng, size, size, 14, 3)
    alpha = cover + leaves * 0.32 > 0.12
    color = np.array(LEAVES[variant % len(LEAVES)], np.float32) * np.float32(rng.uniform(0.85, 1.1))
    tone = 1 + light + leaves * 0.16 + rng.standard_normal((size, size)).astype(np.float32) * 0.07
    rgb = np.clip(color * np.clip(tone, 0.4, 1.7)[..., None], 0, 255).astype(np.uint8)
    return Texture(np.dstack([rgb, alpha.astype(np.uint8) * 255]))


@lru_cache(maxsize=8)
def trunk(variant: int) -> Texture:
    """Bark, forking at the top."""
    rng = np.random.default_rng((32, variant))
    image = np.zeros((128, 48, 4), np.uint8)
    bark: Color = shaded((92, 74, 58), float(rng.uniform(0.8, 1.1)))
    cv2.fillPoly(image, [np.array([[19, 0], [28, 0], [30, 100], [34, 127], [14, 127], [18, 100]])], (*bark, 255))
    for side in (-1, 1):
        cv2.line(image, (24, 52), (24 + side * 20, 0), (*shaded(bark, 0.9), 255), 5)
    image[..., :3] = speckled(np.ascontiguousarray(image[..., :3]), rng, 8, 6)
    image[:, 26:, :3] = (image[:, 26:, :3] * 0.78).astype(np.uint8)
    return Texture(image)


@lru_cache(maxsize=8)
def bush(variant: int) -> Texture:
    """A low hedge."""
    rng = np.random.default_rng((33, variant))
    height, width = 64, 192
    noise = cloudy_noise(rng, height, width, 16, 3)
    x = np.linspace(-1, 1, width, dtype=np.float32)
    top = height * (0.12 + 0.3 * np.abs(x) ** 6) + noise[0] * 6
    rows = np.arange(height, dtype=np.float32)[:, None]
    color = np.array(LEAVES[variant % 3], np.float32) * 0.85
    tone = 1.15 - 0.45 * rows / height + noise * 0.2 + rng.standard_normal((height, width)).astype(np.float32) * 0.08
    rgb = np.clip(color * tone[..., None], 0, 255).astype(np.uint8)
    alpha = (rows + noise * 5 > top) & (np.abs(x) < 0.985)
    return Texture(np.dstack([rgb, alpha.astype(np.uint8) * 255]))


@lru_cache(maxsize=8)
def far_woods(variant: int, haze: Color) -> Texture:
    """A line of trees very far away, in the haze."""
    rng = np.random.default_rng((34, variant))
    height, width = 96, 1024
    ridge = 34 + cloudy_noise(rng, 2, width, 10, 6)[0] * 18
    rows = np.arange(height, dtype=np.float32)[:, None]
    alpha = (rows > ridge).astype(np.uint8) * 255
    near = np.array(shaded(LEAVES[2], 0.9), np.float32)
    noise = cloudy_noise(rng, height, width, 60, 3)
    rgb = near * (1 + noise[..., None] * 0.12) * 0.5 + np.array(haze, np.float32) * 0.5
    return Texture(np.dstack([np.clip(rgb, 0, 255).astype(np.uint8), alpha]))
