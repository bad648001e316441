"""What stands along the street, plot by plot, for as far as anyone drives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from etc_edge.frames.street import paint_buildings, paint_green, paint_poles
from etc_edge.frames.street.body import DECAL, Body, Layer
from etc_edge.frames.street.classes import BUILDING, POLE, SIGN, VEGETATION
from etc_edge.frames.street.geometry import Facet, billboard, facet, translation
from etc_edge.frames.street.paint_vehicles import PAINTS, shadow
from etc_edge.frames.street.vehicle import SHAPES, car, car_shadow

PLOT_M = 12.0
KEYS_PER_PLOT = 64


@dataclass(frozen=True, slots=True)
class Plan:
    """The character of a street."""

    seed: int
    road_half_m: float
    pavement_m: float
    houses: float
    storeys: tuple[int, int]
    trees: float
    parked: float
    sun_side: int

    @property
    def front_m(self) -> float:
        """Where the houses' fronts begin, from the middle of the road."""
        return self.road_half_m + self.pavement_m


def plan(rng: np.random.Generator, seed: int) -> Plan:
    """A random street."""
    parking = rng.random() < 0.7
    low = int(rng.integers(1, 4))
    return Plan(
        seed=seed,
        road_half_m=5.4 if parking else 3.8,
        pavement_m=float(rng.choice([2.6, 3.2, 4.0])),
        houses=float(rng.uniform(0.7, 0.97)),
        storeys=(low, low + int(rng.integers(1, 4))),
        trees=float(rng.uniform(0.25, 0.85)),
        parked=float(rng.uniform(0.2, 0.75)) if parking else 0.0,
        sun_side=int(rng.choice([-1, 0, 1])),
    )


def plot(street: Plan, index: int) -> tuple[Body, ...]:
    """Everything that stands on the twelve metres from ``index`` · 12 m on, both sides."""
    bodies: list[Body] = []
    # Plots behind the start have negative numbers; a seed sequence takes none.
    rng = np.random.default_rng((street.seed, 61, index + 1_000_000))
    key = (index + 1_000_000) * KEYS_PER_PLOT
    for side in (-1, 1):
        for layer, facets, (x, z) in _side(street, rng, side):
            pose = translation(x, 0.0, index * PLOT_M + z)
            bodies.append(Body(key, layer, facets, pose))
            key += 1
    return tuple(bodies)


Placed = tuple[Layer, tuple[Facet, ...], tuple[float, float]]


def _side(street: Plan, rng: np.random.Generator, side: int) -> Iterator[Placed]:
    front = street.front_m
    if rng.random() < street.houses:
        setback = float(rng.choice([0.0, 0.0, 0.4, 1.0]))
        yield Layer.HOUSES, _house(street, rng, side), (side * (front + setback), 0.0)
    else:
        for _ in range(2):
            at = (side * float(rng.uniform(front + 1.5, front + 5)), float(rng.uniform(1, 11)))
            yield Layer.HOUSES, _tree(rng, 1.25), at
        hedge = billboard(paint_green.bush(int(rng.integers(8))), 5.0, 0.0, 1.4, VEGETATION)
        yield Layer.HOUSES, (hedge,), (side * (front + 2.9), 0.4)
    kerb = street.road_half_m + 0.75
    if rng.random() < street.trees:
        z = float(rng.uniform(2, 6))
        yield Layer.DECAL, _tree_shadow(), (side * kerb, z)
        yield Layer.STREET, _tree(rng, float(rng.uniform(0.75, 1.0))), (side * kerb, z)
    if rng.random() < 0.5:
        yield Layer.STREET, _lamp(rng, side), (side * (street.road_half_m + 0.4), float(rng.uniform(7, 9)))
    if rng.random() < 0.4:
        yield Layer.STREET, _sign(rng), (side * (street.road_half_m + 0.45), float(rng.uniform(9.5, 11.5)))
    if rng.random() < street.parked:
        shape, color = int(rng.integers(len(SHAPES))), int(rng.integers(len(PAINTS)))
        at = (side * (street.road_half_m - 1.05), float(rng.uniform(3, 7)))
        yield Layer.DECAL, car_shadow(shape), at
        yield Layer.STREET, car(shape, color), at


def _house(street: Plan, rng: np.random.Generator, side: int) -> tuple[Facet, ...]:
    long = int(rng.choice([10, 12, 12]))
    storeys = int(rng.integers(street.storeys[0], street.storeys[1] + 1))
    variant = int(rng.integers(28))
    depth = 9
    height = storeys * paint_buildings.STOREY_M + 0.6
    sunny = 1.08 if side != street.sun_side else 0.78
    z0, z1 = (0.0, float(long)) if side < 0 else (float(long), 0.0)
    front = [(0.0, height, z0), (0.0, height, z1), (0.0, 0.0, z1), (0.0, 0.0, z0)]
    x0, x1 = (-float(depth), 0.0) if side < 0 else (0.0, float(depth))
    end = [(x0, height, 0.0), (x1, height, 0.0), (x1, 0.0, 0.0), (x0, 0.0, 0.0)]
    facets = [
        facet(paint_buildings.end_wall(variant, depth, storeys), end, BUILDING, 0.82),
        facet(paint_buildings.house_front(variant, long, storeys), front, BUILDING, sunny),
    ]
    if storeys <= 3 and rng.random() < 0.75:
        rise, ridge, eaves = float(rng.uniform(1.6, 3.0)), side * depth / 2, -side * 0.35
        tiles = paint_buildings.roof(int(rng.integers(16)))
        high, low = height + rise, height - 0.15
        slope = [(ridge, high, z0), (ridge, high, z1), (eaves, low, z1), (eaves, low, z0)]
        gable = [(ridge - 0.1, high, 0.0), (ridge + 0.1, high, 0.0), (x1, height, 0.0), (x0, height, 0.0)]
        facets.insert(0, facet(tiles, slope, BUILDING, sunny * 0.95))
        facets.insert(0, facet(paint_buildings.gable(variant), gable, BUILDING, 0.8))
    return tuple(facets)


def _tree(rng: np.random.Generator, size: float) -> tuple[Facet, ...]:
    variant, tall = int(rng.integers(32)), float(rng.uniform(4.6, 6.6)) * size
    wide = float(rng.uniform(3.2, 4.4)) * size
    stem = billboard(paint_green.trunk(variant % 8), 1.1 * size, 0.0, tall * 0.55, VEGETATION)
    facets = [stem]
    for layer, z in enumerate((0.6, 0.0, -0.6)):
        shrink = (0.85, 1.0, 0.72)[layer]
        low = tall * (0.36, 0.33, 0.4)[layer] + float(rng.uniform(-0.2, 0.2))
        texture = paint_green.crown((variant + layer * 6) % 32)
        x, high = float(rng.uniform(-0.35, 0.35)), low + tall * 0.66 * shrink
        facets.append(billboard(texture, wide * shrink, low, high, VEGETATION, x, z))
    return (facets[1], facets[0], facets[2], facets[3])


def _tree_shadow() -> tuple[Facet, ...]:
    corners = [(-1.8, 0.0, 1.3), (1.8, 0.0, 1.3), (1.8, 0.0, -1.3), (-1.8, 0.0, -1.3)]
    return (facet(shadow(), corners, DECAL, two_sided=True),)


def _lamp(rng: np.random.Generator, side: int) -> tuple[Facet, ...]:
    tall = float(rng.uniform(5.5, 7.0))
    post = billboard(paint_poles.pole(int(rng.integers(8))), 0.15, 0.0, tall, POLE)
    # The arm reaches over the road; it is painted for the right side.
    reach = [(-1.6, tall + 0.3, 0.0), (0.0, tall + 0.3, 0.0), (0.0, tall - 0.1, 0.0), (-1.6, tall - 0.1, 0.0)]
    corners = reach if side > 0 else [(-x, y, z) for x, y, z in reach]
    return (post, facet(paint_poles.lamp(), corners, POLE, two_sided=True))


def _sign(rng: np.random.Generator) -> tuple[Facet, ...]:
    metal = paint_poles.pole(int(rng.integers(8)))
    if rng.random() < 0.25:
        post = billboard(metal, 0.12, 0.0, 2.4, POLE)
        return (post, billboard(paint_poles.traffic_light(int(rng.integers(3))), 0.38, 2.2, 3.3, SIGN, z=-0.05))
    post = billboard(metal, 0.09, 0.0, 2.7, POLE)
    facets = [post, billboard(paint_poles.sign(int(rng.integers(18))), 0.75, 2.1, 2.85, SIGN, z=-0.05)]
    if rng.random() < 0.3:
        facets.append(billboard(paint_poles.sign(int(rng.integers(18))), 0.65, 1.4, 2.05, SIGN, z=-0.05))
    return tuple(facets)
