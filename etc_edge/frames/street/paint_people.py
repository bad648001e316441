"""People, as a torso and swinging limbs."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from etc_edge.frames.street.texture import Color, Texture, shaded

SKINS: tuple[Color, ...] = ((224, 180, 150), (196, 146, 112), (140, 96, 70), (92, 62, 48))
HAIR: tuple[Color, ...] = ((40, 30, 26), (92, 62, 38), (180, 150, 96), (120, 118, 116))
CLOTHES: tuple[Color, ...] = (
    (182, 48, 52), (44, 82, 150), (60, 64, 70), (214, 206, 190), (66, 112, 80), (206, 152, 54), (118, 66, 120),
    (90, 130, 150), (36, 40, 52), (214, 120, 130),
)  # fmt: skip


@lru_cache(maxsize=24)
def torso(variant: int) -> Texture:
    """Head, hair and coat, 0.6 m wide and 1.0 m tall."""
    rng = np.random.default_rng((41, variant))
    image = np.zeros((160, 96, 4), np.uint8)
    skin, hair = SKINS[int(rng.integers(4))], HAIR[int(rng.integers(4))]
    coat = CLOTHES[int(rng.integers(len(CLOTHES)))]
    cv2.rectangle(image, (42, 34), (54, 52), (*shaded(skin, 0.85), 255), -1)
    outline = np.array([[40, 46], [56, 46], [74, 54], [72, 104], [73, 159], [23, 159], [24, 104], [22, 54]], np.int32)
    cv2.fillPoly(image, [outline], (*coat, 255))
    cv2.fillPoly(image, [np.array([[48, 46], [74, 54], [72, 104], [73, 159], [48, 159]])], (*shaded(coat, 0.8), 255))
    cv2.line(image, (48, 50), (48, 158), (*shaded(coat, 0.6), 255), 1)
    cv2.ellipse(image, (48, 24), (12, 16), 0, 0, 360, (*skin, 255), -1)
    cv2.ellipse(image, (48, 18), (13, 14), 0, 180, 360, (*hair, 255), -1)
    if rng.random() < 0.4:
        cv2.rectangle(image, (34, 16), (40, 50), (*hair, 255), -1)
        cv2.rectangle(image, (56, 16), (62, 50), (*hair, 255), -1)
    if rng.random() < 0.35:
        bag = CLOTHES[int(rng.integers(len(CLOTHES)))]
        cv2.rectangle(image, (58, 92), (76, 124), (*shaded(bag, 0.8), 255), -1)
    return Texture(image)


@lru_cache(maxsize=24)
def leg(variant: int) -> Texture:
    """A trouser leg and a shoe, 0.26 m wide and 0.9 m tall."""
    rng = np.random.default_rng((42, variant))
    cloth = shaded(CLOTHES[int(rng.integers(len(CLOTHES)))], 0.7)
    image = np.zeros((144, 40, 4), np.uint8)
    cv2.fillPoly(image, [np.array([[9, 0], [31, 0], [27, 132], [14, 132]])], (*cloth, 255))
    cv2.fillPoly(image, [np.array([[22, 0], [31, 0], [27, 132], [20, 132]])], (*shaded(cloth, 0.75), 255))
    cv2.rectangle(image, (12, 130), (31, 143), (34, 28, 26, 255), -1)
    return Texture(image)


@lru_cache(maxsize=24)
def arm(variant: int) -> Texture:
    """A sleeve and a hand, 0.18 m wide and 0.65 m tall."""
    rng = np.random.default_rng((41, variant))
    skin = SKINS[int(rng.integers(4))]
    rng.integers(4)
    coat = shaded(CLOTHES[int(rng.integers(len(CLOTHES)))], 0.88)
    image = np.zeros((104, 28, 4), np.uint8)
    cv2.fillPoly(image, [np.array([[6, 0], [22, 0], [20, 88], [9, 88]])], (*coat, 255))
    cv2.circle(image, (14, 93), 7, (*skin, 255), -1)
    return Texture(image)
