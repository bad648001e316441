"""Cars folded from flat sheets; front towards +Z, standing on Y = 0."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from etc_edge.frames.street import paint_vehicles as paint
from etc_edge.frames.street.body import DECAL
from etc_edge.frames.street.classes import CAR
from etc_edge.frames.street.geometry import Facet, facet

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class CarShape:
    """A car from the side, (z, y) in metres from tail to nose."""

    boot_edge: Point
    boot_end: Point
    roof_back: Point
    roof_front: Point
    bonnet_back: Point
    bonnet_edge: Point
    half_width: float

    @property
    def belt(self) -> float:
        """Height at which windows begin."""
        return min(self.boot_end[1], self.bonnet_back[1]) - 0.02

    @property
    def sill(self) -> float:
        """Height from which the sides lean in: a little lower, so that nothing shines through the seam."""
        return self.belt - 0.05


SHAPES: tuple[CarShape, ...] = (
    CarShape((-2.2, 0.92), (-1.6, 1.0), (-1.0, 1.42), (0.3, 1.45), (1.05, 1.0), (2.2, 0.72), 0.88),
    CarShape((-1.95, 0.9), (-1.88, 1.0), (-1.45, 1.46), (0.2, 1.5), (0.95, 1.02), (1.95, 0.72), 0.86),
    CarShape((-2.2, 1.0), (-2.14, 1.1), (-1.85, 1.66), (0.3, 1.7), (1.0, 1.12), (2.15, 0.92), 0.94),
    CarShape((-2.4, 1.15), (-2.38, 1.25), (-2.25, 1.98), (1.0, 2.02), (1.65, 1.25), (2.35, 0.98), 0.98),
)


@lru_cache(maxsize=64)
def car(shape: int, color: int) -> tuple[Facet, ...]:
    """The sheets of one model in one paint."""
    form = SHAPES[shape]
    strip = [
        ((form.boot_edge[0], 0.0), form.boot_edge, "tail"),
        (form.boot_edge, form.boot_end, "sheet"),
        (form.boot_end, form.roof_back, "window"),
        (form.roof_back, form.roof_front, "sheet"),
        (form.roof_front, form.bonnet_back, "window"),
        (form.bonnet_back, form.bonnet_edge, "sheet"),
        (form.bonnet_edge, (form.bonnet_edge[0], 0.0), "nose"),
    ]
    return (*_sides(form, color), *(_across(form, color, a, b, kind) for a, b, kind in strip))


@lru_cache(maxsize=8)
def car_shadow(shape: int) -> tuple[Facet, ...]:
    """The dark patch on the road below."""
    form = SHAPES[shape]
    x, back, front = form.half_width + 0.3, form.boot_edge[0] - 0.4, form.bonnet_edge[0] + 0.4
    corners = [(-x, 0.0, front), (x, 0.0, front), (x, 0.0, back), (-x, 0.0, back)]
    return (facet(paint.shadow(), corners, DECAL, two_sided=True),)


def _width(form: CarShape, y: float) -> float:
    return form.half_width * (1 - 0.17 * max(0.0, (y - form.sill) / (form.roof_front[1] - form.sill)))


def _across(form: CarShape, color: int, a: Point, b: Point, kind: str) -> Facet:
    (za, ya), (zb, yb) = a, b
    wa, wb = _width(form, ya), _width(form, yb)
    if zb + za > 0.5 * form.roof_front[0]:
        # Seen from ahead: the texture's top is the end nearer to the roof.
        corners = [(wa, ya, za), (-wa, ya, za), (-wb, yb, zb), (wb, yb, zb)]
    else:
        corners = [(-wb, yb, zb), (wb, yb, zb), (wa, ya, za), (-wa, ya, za)]
    wide, tall = round(2 * form.half_width, 2), round(max(ya, yb), 2)
    texture = {
        "tail": lambda: paint.tail(color, wide, tall),
        "nose": lambda: paint.nose(color, wide, tall),
        "window": lambda: paint.window(color),
        "sheet": lambda: paint.sheet(color, 1.0),
    }[kind]()
    return facet(texture, corners, CAR)


def _sides(form: CarShape, color: int) -> list[Facet]:
    outline = (
        (form.boot_edge[0], 0.26), form.boot_edge, form.boot_end, form.bonnet_back, form.bonnet_edge,
        (form.bonnet_edge[0], 0.26),
    )  # fmt: skip
    cabin = (form.boot_end, form.roof_back, form.roof_front, form.bonnet_back)
    back, front = form.boot_edge[0], form.bonnet_edge[0]
    axles = (back + 0.75, front - 0.8)
    belt, top = form.belt, form.roof_front[1]
    low, high, wide = form.half_width, _width(form, top), form.half_width
    facets = []
    for right in (True, False):
        s = 1.0 if right else -1.0
        near, far = (back, front) if right else (front, back)
        corners = [(s * wide, belt, near), (s * wide, belt, far), (s * wide, 0.0, far), (s * wide, 0.0, near)]
        facets.append(facet(paint.side(color, outline, belt, axles, not right), corners, CAR, 0.92))
        near, far = (cabin[0][0], cabin[-1][0]) if right else (cabin[-1][0], cabin[0][0])
        corners = [
            (s * high, top, near),
            (s * high, top, far),
            (s * low, form.sill, far),
            (s * low, form.sill, near),
        ]
        facets.append(facet(paint.side_windows(color, cabin, belt, not right), corners, CAR, 0.92))
    return facets
