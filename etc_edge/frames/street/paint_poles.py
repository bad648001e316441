"""Lamp posts, signs and traffic lights."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from etc_edge.frames.street.texture import Color, Texture, opaque, shaded

METAL: tuple[Color, ...] = ((92, 96, 100), (64, 74, 70), (132, 132, 128), (58, 54, 56))


@lru_cache(maxsize=8)
def pole(variant: int) -> Texture:
    """Round metal, bright on one side."""
    light = np.array([0.75, 1.05, 1.25, 1.0, 0.8, 0.62], np.float32)[None, :, None]
    image = np.full((64, 6, 3), METAL[variant % len(METAL)], np.float32) * light
    image[::16] *= 0.8
    return opaque(np.clip(image, 0, 255).astype(np.uint8))


@lru_cache(maxsize=8)
def lamp() -> Texture:
    """The head of a street lamp on its arm, 1.6 m by 0.4 m."""
    image = np.zeros((40, 160, 4), np.uint8)
    cv2.ellipse(image, (160, 34), (120, 26), 0, 180, 270, (84, 88, 92, 255), 7)
    cv2.ellipse(image, (34, 20), (32, 11), 0, 0, 360, (70, 74, 78, 255), -1)
    cv2.ellipse(image, (34, 24), (26, 7), 0, 0, 360, (240, 236, 214, 255), -1)
    return Texture(image)


@lru_cache(maxsize=16)
def sign(variant: int) -> Texture:
    """A plate: stop, warning, limit, parking, direction."""
    image = np.zeros((96, 96, 4), np.uint8)
    red, white, blue, black = (196, 30, 36, 255), (240, 240, 236, 255), (30, 84, 168, 255), (24, 24, 24, 255)
    kind = variant % 6
    if kind == 0:
        angles = np.arange(8) * np.pi / 4 + np.pi / 8
        corners = (48 + 46 * np.stack([np.cos(angles), np.sin(angles)], 1)).astype(np.int32)
        cv2.fillPoly(image, [corners], red)
        cv2.putText(image, "STOP", (15, 57), cv2.FONT_HERSHEY_SIMPLEX, 0.8, white, 3)
    elif kind == 1:
        cv2.fillPoly(image, [np.array([[48, 4], [94, 88], [2, 88]])], red)
        cv2.fillPoly(image, [np.array([[48, 24], [78, 79], [18, 79]])], white)
        cv2.rectangle(image, (45, 42), (51, 64), black, -1)
        cv2.circle(image, (48, 71), 4, black, -1)
    elif kind == 2:
        cv2.circle(image, (48, 48), 46, red, -1)
        cv2.circle(image, (48, 48), 35, white, -1)
        cv2.putText(image, ("30", "50", "40")[variant // 6 % 3], (23, 60), cv2.FONT_HERSHEY_SIMPLEX, 1.2, black, 4)
    elif kind == 3:
        cv2.rectangle(image, (4, 4), (92, 92), blue, -1)
        cv2.putText(image, "P", (28, 74), cv2.FONT_HERSHEY_SIMPLEX, 2.2, white, 7)
    elif kind == 4:
        cv2.circle(image, (48, 48), 46, blue, -1)
        cv2.arrowedLine(image, (48, 80), (48, 18), white, 9, tipLength=0.4)
    else:
        cv2.fillPoly(image, [np.array([[48, 2], [94, 48], [48, 94], [2, 48]])], white)
        cv2.fillPoly(image, [np.array([[48, 12], [84, 48], [48, 84], [12, 48]])], (232, 184, 40, 255))
    return Texture(image)


@lru_cache(maxsize=4)
def traffic_light(lit: int) -> Texture:
    """Three lamps in a dark case, 0.35 m by 1.0 m."""
    image = np.full((96, 34, 3), (30, 32, 34), np.uint8)
    colors: list[Color] = [(236, 46, 38), (240, 178, 40), (54, 214, 96)]
    for index, color in enumerate(colors):
        cv2.circle(image, (17, 17 + 31 * index), 12, color if index == lit else shaded(color, 0.25), -1)
    return opaque(image)
