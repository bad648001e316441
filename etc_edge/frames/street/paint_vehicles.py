"""The sheets of metal and glass that cars are folded from."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from etc_edge.frames.street.texture import Color, Image, Texture, opaque, shaded

PAINTS: tuple[Color, ...] = (
    (178, 34, 38), (38, 70, 142), (224, 224, 222), (44, 46, 50), (150, 154, 158), (92, 110, 78), (206, 160, 52),
    (110, 34, 50), (64, 116, 130), (190, 186, 174), (24, 30, 46), (202, 98, 40),
)  # fmt: skip
GLASS: Color = (44, 54, 66)
PX_PER_M = 64


@lru_cache(maxsize=48)
def side(
    paint: int, profile: tuple[tuple[float, float], ...], belt: float, axles: tuple[float, float], mirrored: bool
) -> Texture:
    """The lower side of a car: body under the belt line, doors and wheels; z along x, front to the right."""
    color = PAINTS[paint]
    low = min(p[0] for p in profile)
    long = max(p[0] for p in profile) - low
    image = np.zeros((round(belt * PX_PER_M), round(long * PX_PER_M), 4), np.uint8)
    points = [(round((z - low) * PX_PER_M), round((belt - min(y, belt)) * PX_PER_M)) for z, y in profile]
    cv2.fillPoly(image, [np.array(points, np.int32)], (*color, 255))
    height, width = image.shape[:2]
    body = image[..., 3] > 0
    glow = np.linspace(1.15, 0.7, height, dtype=np.float32)[:, None, None]
    image[..., :3] = np.where(body[..., None], np.clip(image[..., :3] * glow, 0, 255), 0).astype(np.uint8)
    cv2.line(image, (0, round(height * 0.42)), (width, round(height * 0.42)), (*shaded(color, 0.72), 255), 1)
    image[~body] = 0
    for door in (0.33, 0.56, 0.74):
        x = round(width * door)
        cv2.line(image, (x, 2), (x, round(height * 0.72)), (*shaded(color, 0.55), 255), 1)
        cv2.rectangle(image, (x - 12, 12), (x - 5, 14), (*shaded(color, 0.5), 255), -1)
    for axle in axles:
        centre = (round((axle - low) * PX_PER_M), height - round(0.31 * PX_PER_M))
        cv2.circle(image, centre, round(0.37 * PX_PER_M), (*shaded(color, 0.3), 255), -1)
        cv2.circle(image, centre, round(0.31 * PX_PER_M), (26, 26, 28, 255), -1)
        cv2.circle(image, centre, round(0.19 * PX_PER_M), (150, 152, 156, 255), -1)
        cv2.circle(image, centre, round(0.08 * PX_PER_M), (70, 72, 76, 255), -1)
    cv2.rectangle(image, (width - 7, round(height * 0.28)), (width - 2, round(height * 0.42)), (236, 232, 210, 255), -1)
    cv2.rectangle(image, (1, round(height * 0.24)), (7, round(height * 0.42)), (170, 24, 24, 255), -1)
    return Texture(np.ascontiguousarray(image[:, ::-1]) if mirrored else image)


@lru_cache(maxsize=48)
def side_windows(paint: int, profile: tuple[tuple[float, float], ...], belt: float, mirrored: bool) -> Texture:
    """The greenhouse from the side: roof posts and windows."""
    color = shaded(PAINTS[paint], 0.95)
    cabin = [p for p in profile if p[1] >= belt - 0.02]
    low, high = min(p[0] for p in cabin), max(p[0] for p in cabin)
    top = max(p[1] for p in cabin)
    size = (round((top - belt) * PX_PER_M), round((high - low) * PX_PER_M))
    image = np.zeros((*size, 4), np.uint8)
    points = np.array([((z - low) * PX_PER_M, (top - y) * PX_PER_M) for z, y in cabin], np.float32)
    outline = np.vstack([points, [(high - low) * PX_PER_M, size[0]], [0, size[0]]]) if len(cabin) < 4 else points
    cv2.fillPoly(image, [outline.astype(np.int32)], (*color, 255))
    centre = points.mean(0)
    glass = centre + (points - centre) * np.array([0.86, 0.78], np.float32)
    cv2.fillPoly(image, [glass.astype(np.int32)], (*GLASS, 255))
    shine = glass.copy()
    shine[:, 1] = np.minimum(shine[:, 1], centre[1])
    cv2.fillPoly(image, [shine.astype(np.int32)], (*shaded(GLASS, 1.5), 255))
    for post in (0.34, 0.6):
        x = round(size[1] * post)
        cv2.line(image, (x, 0), (x, size[0]), (*shaded(color, 0.8), 255), 3)
    return Texture(np.ascontiguousarray(image[:, ::-1]) if mirrored else image)


@lru_cache(maxsize=48)
def tail(paint: int, wide_m: float, tall_m: float) -> Texture:
    """The back: bumper, plate, lamps, and the tyres that show below."""
    image = _end(PAINTS[paint], wide_m, tall_m)
    height, width = image.shape[:2]
    for left in (3, width - 19):
        cv2.rectangle(image, (left, round(height * 0.12)), (left + 16, round(height * 0.34)), (186, 22, 22, 255), -1)
        cv2.rectangle(
            image, (left + 3, round(height * 0.25)), (left + 13, round(height * 0.33)), (236, 150, 60, 255), -1
        )
    _plate(image, (238, 220, 120))
    return Texture(image)


@lru_cache(maxsize=48)
def nose(paint: int, wide_m: float, tall_m: float) -> Texture:
    """The front: grille, plate, lamps."""
    image = _end(PAINTS[paint], wide_m, tall_m)
    height, width = image.shape[:2]
    cv2.rectangle(image, (24, round(height * 0.14)), (width - 24, round(height * 0.36)), (28, 28, 32, 255), -1)
    for left in (3, width - 23):
        cv2.rectangle(image, (left, round(height * 0.12)), (left + 20, round(height * 0.32)), (246, 242, 222, 255), -1)
        cv2.rectangle(image, (left, round(height * 0.12)), (left + 20, round(height * 0.32)), (60, 60, 64, 255), 1)
    _plate(image, (236, 236, 232))
    return Texture(image)


@lru_cache(maxsize=48)
def window(paint: int) -> Texture:
    """Wind screen or rear window between its posts."""
    color = shaded(PAINTS[paint], 0.9)
    image = np.full((40, 100, 3), color, np.uint8)
    cv2.rectangle(image, (6, 3), (93, 37), GLASS, -1)
    cv2.fillPoly(image, [np.array([[6, 37], [6, 14], [58, 3], [93, 3], [93, 6]])], shaded(GLASS, 1.7))
    for seat in (30, 70):
        cv2.ellipse(image, (seat, 36), (9, 14), 0, 180, 360, (26, 28, 34), -1)
    return opaque(image)


@lru_cache(maxsize=48)
def sheet(paint: int, tone: float) -> Texture:
    """Bonnet, boot or roof: plain metal with the sky's gloss."""
    image = np.full((32, 48, 3), shaded(PAINTS[paint], tone), np.uint8).astype(np.float32)
    image += np.linspace(26, 0, 32, dtype=np.float32)[:, None, None]
    image[:, (0, 47)] *= 0.7
    return opaque(np.clip(image, 0, 255).astype(np.uint8))


@lru_cache(maxsize=2)
def shadow() -> Texture:
    """The soft dark patch under a car or a tree."""
    y, x = np.mgrid[-1:1:48j, -1:1:48j]
    alpha = np.clip(1.5 * (1 - (np.abs(x) ** 3 + np.abs(y) ** 3)), 0, 1) * 150
    return Texture(np.dstack([np.full((48, 48, 3), 14, np.uint8), alpha.astype(np.uint8)]))


def _end(color: Color, wide_m: float, tall_m: float) -> Image:
    height, width = round(tall_m * PX_PER_M), round(wide_m * PX_PER_M)
    image = np.zeros((height, width, 4), np.uint8)
    wheels = round(height * 0.7)
    for row in range(round(height * 0.86)):
        image[row, :] = (*shaded(color, 1.1 - 0.4 * row / height), 255)
    cv2.rectangle(image, (0, round(height * 0.55)), (width, round(height * 0.74)), (*shaded(color, 0.62), 255), -1)
    cv2.rectangle(image, (0, round(height * 0.74)), (width, round(height * 0.86)), (34, 34, 36, 255), -1)
    for left in (2, width - 16):
        cv2.rectangle(image, (left, wheels), (left + 14, height), (22, 22, 24, 255), -1)
    return image


def _plate(image: Image, color: Color) -> None:
    height, width = image.shape[:2]
    cv2.rectangle(
        image, (width // 2 - 16, round(height * 0.42)), (width // 2 + 16, round(height * 0.54)), (*color, 255), -1
    )
    for x in range(width // 2 - 13, width // 2 + 13, 5):
        cv2.rectangle(image, (x, round(height * 0.45)), (x + 2, round(height * 0.51)), (30, 30, 40, 255), -1)
