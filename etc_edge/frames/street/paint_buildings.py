"""House fronts, end walls and roofs."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from etc_edge.frames.street.texture import Color, Image, Texture, opaque, shaded, speckled

WALLS: tuple[Color, ...] = (
    (204, 178, 142), (186, 120, 94), (222, 210, 188), (160, 88, 70), (176, 170, 160), (214, 186, 120),
    (150, 132, 122), (198, 148, 128), (138, 152, 160), (226, 222, 212), (168, 140, 104), (190, 196, 180),
)  # fmt: skip
AWNINGS: tuple[Color, ...] = ((170, 44, 40), (38, 92, 66), (40, 70, 130), (200, 150, 40), (110, 40, 90))
PX_PER_M = 20
STOREY_M = 3.1


@lru_cache(maxsize=64)
def house_front(variant: int, width_m: int, storeys: int) -> Texture:
    """A street front with windows in rows and, now and then, shops below."""
    rng = np.random.default_rng((11, variant, width_m, storeys))
    wall = wall_color(variant)
    image = _bare_wall(rng, wall, width_m, storeys)
    height = image.shape[0]
    columns = max(2, round(width_m / float(rng.uniform(2.2, 3.2))))
    window = (float(rng.uniform(1.0, 1.5)), float(rng.uniform(1.4, 2.0)))
    shop = rng.random() < 0.4
    trim = shaded(wall, float(rng.choice([0.7, 1.25])))
    arched = rng.random() < 0.25
    for storey in range(storeys):
        base = height - round(storey * STOREY_M * PX_PER_M)
        if storey == 0 and shop:
            _shop(image, rng, base)
            continue
        door = int(rng.integers(columns)) if storey == 0 else -1
        for column in range(columns):
            centre = round((column + 0.5) * width_m / columns * PX_PER_M)
            if column == door:
                _door(image, rng, centre, base, trim)
            else:
                _window(image, rng, centre, base - round(0.85 * PX_PER_M), window, trim, arched)
        if storey and rng.random() < 0.8:
            cv2.rectangle(image, (0, base - 3), (image.shape[1], base), trim, -1)
    cv2.rectangle(image, (0, 0), (image.shape[1], 7), trim, -1)
    cv2.rectangle(image, (0, 8), (image.shape[1], 10), shaded(wall, 0.55), -1)
    return opaque(speckled(image, rng, 3.0, 5.0))


@lru_cache(maxsize=64)
def end_wall(variant: int, width_m: int, storeys: int) -> Texture:
    """The wall between two houses: few windows."""
    rng = np.random.default_rng((12, variant, width_m, storeys))
    wall = shaded(wall_color(variant), 0.92)
    image = _bare_wall(rng, wall, width_m, storeys)
    for storey in range(storeys):
        for column in range(width_m // 4):
            if rng.random() < 0.4:
                centre = round((column + 0.5) * 4 * PX_PER_M)
                base = image.shape[0] - round(storey * STOREY_M * PX_PER_M)
                _window(image, rng, centre, base - 18, (1.0, 1.4), shaded(wall, 0.75), False)
    return opaque(speckled(image, rng, 3.0, 6.0))


@lru_cache(maxsize=32)
def gable(variant: int) -> Texture:
    """The plain wall under a roof's end; it is drawn into a triangle, in which bricks would run together."""
    rng = np.random.default_rng((15, variant))
    return opaque(speckled(np.full((48, 64, 3), shaded(wall_color(variant), 0.92), np.uint8), rng, 3.0, 5.0))


@lru_cache(maxsize=16)
def roof(variant: int) -> Texture:
    """Rows of tiles."""
    rng = np.random.default_rng((13, variant))
    colors: list[Color] = [(146, 74, 54), (110, 66, 56), (84, 84, 92), (124, 92, 66)]
    color = colors[variant % len(colors)]
    image = np.full((48, 160, 3), color, np.uint8)
    for row in range(0, 48, 6):
        image[row] = shaded(color, 0.7)
        for x in range((row // 6 % 2) * 4, 160, 8):
            tone = float(rng.uniform(0.88, 1.12))
            cv2.rectangle(image, (x, row + 1), (x + 6, row + 5), shaded(color, tone), -1)
    return opaque(speckled(image, rng, 4.0, 5.0))


def wall_color(variant: int) -> Color:
    """The paint of a house."""
    rng = np.random.default_rng((14, variant))
    return shaded(WALLS[variant % len(WALLS)], float(rng.uniform(0.82, 1.06)))


def _bare_wall(rng: np.random.Generator, wall: Color, width_m: int, storeys: int) -> Image:
    height, width = round((storeys * STOREY_M + 0.6) * PX_PER_M), width_m * PX_PER_M
    image = np.full((height, width, 3), wall, np.uint8)
    if rng.random() < 0.45:
        dark = shaded(wall, 0.88)
        for row in range(0, height, 5):
            image[row] = dark
            for x in range((row // 5 % 2) * 5, width, 10):
                image[row : row + 5, x] = dark
    # Dirt gathers near the ground.
    gradient = np.linspace(1.05, 0.9, height, dtype=np.float32)[:, None, None]
    aged: Image = np.clip(image * gradient, 0, 255).astype(np.uint8)
    return aged


def _window(
    image: Image, rng: np.random.Generator, centre: int, sill: int, size: tuple[float, float], trim: Color, arched: bool
) -> None:
    half, tall = round(size[0] * PX_PER_M / 2), round(size[1] * PX_PER_M)
    left, right, top = centre - half, centre + half, sill - tall
    if top < 12:
        return
    cv2.rectangle(image, (left - 3, top - 3), (right + 3, sill + 3), trim, -1)
    glass: Color = (52, 62, 76)
    kind = rng.random()
    if kind < 0.12:
        glass = (232, 206, 146)
    elif kind < 0.45:
        glass = (112, 140, 168)
    cv2.rectangle(image, (left, top), (right, sill), glass, -1)
    shine = np.array([[left, sill], [left, top + tall // 2], [right, top], [right, top + tall // 3]], np.int32)
    cv2.fillPoly(image, [shine], shaded(glass, 1.18))
    if rng.random() < 0.35:
        cv2.rectangle(image, (left, top), (right, top + round(tall * rng.uniform(0.2, 0.6))), (214, 206, 190), -1)
    if arched:
        cv2.ellipse(image, (centre, top), (half, half // 2), 0, 180, 360, shaded(trim, 0.85), -1)
    frame: Color = (232, 230, 222) if rng.random() < 0.7 else (70, 58, 50)
    cv2.line(image, (centre, top), (centre, sill), frame, 1)
    cv2.line(image, (left, top + tall // 3), (right, top + tall // 3), frame, 1)
    cv2.rectangle(image, (left, top), (right, sill), frame, 1)
    cv2.rectangle(image, (left - 4, sill + 3), (right + 4, sill + 5), shaded(trim, 0.8), -1)


def _door(image: Image, rng: np.random.Generator, centre: int, base: int, trim: Color) -> None:
    color = shaded(AWNINGS[int(rng.integers(len(AWNINGS)))], 0.7)
    tall, half = round(2.2 * PX_PER_M), round(0.55 * PX_PER_M)
    top, left, right = base - tall, centre - half, centre + half
    cv2.rectangle(image, (left - 3, top - 4), (right + 3, base), trim, -1)
    cv2.rectangle(image, (left, top), (right, base), color, -1)
    cv2.rectangle(image, (left + 3, top + 3), (right - 3, top + 12), (90, 104, 118), -1)
    cv2.circle(image, (centre + half - 4, base - tall // 2), 1, (220, 190, 90), -1)


def _shop(image: Image, rng: np.random.Generator, base: int) -> None:
    width = image.shape[1]
    top = base - round(2.8 * PX_PER_M)
    awning = AWNINGS[int(rng.integers(len(AWNINGS)))]
    cv2.rectangle(image, (6, top), (width - 6, base), shaded(awning, 0.45), -1)
    panes = max(2, width // 60)
    for pane in range(panes):
        left, right = 12 + pane * (width - 24) // panes, 8 + (pane + 1) * (width - 24) // panes
        lit = rng.random() < 0.4
        glass: Color = (206, 184, 140) if lit else (66, 82, 98)
        cv2.rectangle(image, (left, top + 16), (right, base - 8), glass, -1)
        for _ in range(6):
            x, y = int(rng.integers(left, max(left + 1, right - 8))), int(rng.integers(top + 30, base - 12))
            goods = tuple(int(c) for c in rng.integers(60, 210, 3))
            cv2.rectangle(image, (x, y), (min(right, x + 7), min(base - 8, y + 9)), goods, -1)
        cv2.rectangle(image, (left, top + 16), (right, base - 8), (40, 40, 44), 1)
    stripe = 10
    for x in range(4, width - 4, stripe * 2):
        cv2.rectangle(image, (x, top), (min(width - 4, x + stripe), top + 14), awning, -1)
        cv2.rectangle(image, (x + stripe, top), (min(width - 4, x + 2 * stripe), top + 14), (236, 230, 216), -1)
