"""Painting the ground: one plane, its texture shrunk along each axis as it recedes."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from etc_edge.frames.street.classes import PAVEMENT, ROAD, VEGETATION
from etc_edge.frames.street.geometry import Camera, Matrix
from etc_edge.frames.street.paint_ground import HALF_WIDTH_M, PERIOD_M, PX_PER_M, GroundStrip
from etc_edge.frames.street.raster import Haze
from etc_edge.frames.street.texture import Image

GROUND_SHAPE: Matrix = np.array([[1, 0, 0], [0, 0, 0], [0, 1, 0], [0, 0, 1]], np.float64)
"""(x, z, 1) on the ground to homogeneous world coordinates."""

GROUND_LABELS = (ROAD, PAVEMENT, VEGETATION)
FARTHEST_M = 420.0


def paint_ground(
    strip: GroundStrip,
    edges_m: tuple[float, float],
    camera: Camera,
    canvas: Image,
    surfaces: NDArray[np.int16],
    haze: Haze,
    first: int,
) -> None:
    """Fill everything below the horizon; ``first`` + 0, 1, 2 are written for road, pavement and green."""
    height, width = surfaces.shape
    here = GROUND_SHAPE.copy()
    here[2, 2] = camera.position[2]
    to_ground = np.linalg.inv(camera.view @ here)

    columns = np.arange(width, dtype=np.float32)[None]
    rows = np.arange(height, dtype=np.float32)[:, None]
    x, z, w = (np.float32(a) * columns + (np.float32(b) * rows + np.float32(c)) for a, b, c in to_ground)
    top = int(np.argmax((w > 0).any(1) & ((z / np.where(w > 0, w, 1)).max(1) < FARTHEST_M)))
    x, z, w = x[top:], z[top:], w[top:]
    below = (w > 0) & (z < FARTHEST_M * w)
    inverse = 1 / np.where(below, w, 1)
    x, z = x * inverse, z * inverse
    focal = float(np.hypot(*camera.view[:2, 0]))
    phase = np.float32(camera.position[2] % PERIOD_M)
    middle = z[:, width // 2]
    start = 0
    while start < len(middle):
        # A band of rows in which the depth less than doubles shares one shrunken copy.
        far = float(max(middle[start], 0.5))
        stop = max(start + 1, int(np.searchsorted(-middle, -far / 1.6)))
        _band(strip, x[start:stop], z[start:stop], phase, far, focal, camera, canvas[top + start : top + stop])
        start = stop
    fade = (1 - np.exp(-((np.clip(z, 0, None) / haze.reach_m) ** 1.5))).astype(np.float32)
    hazy = int(np.searchsorted(-middle, -0.12 * haze.reach_m))
    if hazy:
        area = canvas[top : top + hazy, :, :3]
        mixed = area + (np.array(haze.color, np.float32) - area) * fade[:hazy, :, None]
        np.copyto(area, mixed.astype(np.uint8))
    from_middle = np.abs(x)
    kind = (from_middle >= edges_m[0]).astype(np.int16) + (from_middle >= edges_m[1])
    np.copyto(surfaces[top:], kind + np.int16(first), where=below)


def _band(
    strip: GroundStrip,
    x: NDArray[np.float32],
    z: NDArray[np.float32],
    phase: np.float32,
    far: float,
    focal: float,
    camera: Camera,
    canvas: Image,
) -> None:
    depth = far / 1.3
    x_texels = depth / focal * PX_PER_M
    z_texels = depth**2 / (focal * float(camera.position[1])) * PX_PER_M
    halvings = [int(np.clip(np.floor(np.log2(max(t, 1.0)) + 0.4), 0, 8)) for t in (x_texels, z_texels)]
    texture = strip.level(halvings[0], halvings[1])
    tall, wide = texture.shape[0] - 2, texture.shape[1]
    map_x = (x + np.float32(HALF_WIDTH_M)) * np.float32(wide / (2 * HALF_WIDTH_M)) - np.float32(0.5)
    turns = (z + phase) * np.float32(1 / PERIOD_M)
    map_z = (turns - np.floor(turns)) * np.float32(tall) + np.float32(0.5)
    patch = cv2.remap(texture, map_x, map_z, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    canvas[..., :3] = patch
