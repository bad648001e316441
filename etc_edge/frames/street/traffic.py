"""What moves in the street: cars and people, each a closed form of time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from etc_edge.frames.street import paint_people
from etc_edge.frames.street.body import Body, Layer
from etc_edge.frames.street.classes import PEDESTRIAN
from etc_edge.frames.street.geometry import Facet, Matrix, billboard, translation
from etc_edge.frames.street.layout import Plan
from etc_edge.frames.street.paint_vehicles import PAINTS
from etc_edge.frames.street.path import CameraPath, Sway, sway
from etc_edge.frames.street.vehicle import SHAPES, car, car_shadow

MOVING_KEYS = 1 << 40


@dataclass(frozen=True, slots=True)
class Stream:
    """Movers one behind the other on one line, all at one speed, so that none runs into another."""

    number: int
    x_m: float
    speed_m_s: float
    spacing_m: float
    share: float
    spread_m: float


@dataclass(frozen=True, slots=True)
class Traffic:
    """All that moves."""

    seed: int
    cars: tuple[Stream, ...]
    people: tuple[Stream, ...]
    leaders: tuple[tuple[float, Sway], ...]


def traffic(rng: np.random.Generator, seed: int, street: Plan) -> Traffic:
    """Random traffic for a street."""
    lane = Stream(0, -1.6, -float(rng.uniform(6, 10)), float(rng.uniform(18, 34)), 0.75, 7.0)
    walkers = []
    for number, (side, direction) in enumerate(((-1, -1), (-1, 1), (1, -1), (1, 1)), start=1):
        x = side * (street.road_half_m + street.pavement_m * (0.58 if direction > 0 else 0.8))
        speed = direction * float(rng.uniform(1.0, 1.6))
        walkers.append(Stream(number, x, speed, float(rng.uniform(5, 11)), float(rng.uniform(0.3, 0.8)), 2.0))
    ahead = float(rng.uniform(13, 19))
    distances = [d for d, p in ((ahead, 0.65), (ahead + float(rng.uniform(14, 22)), 0.5)) if rng.random() < p]
    return Traffic(seed, (lane,), tuple(walkers), tuple((d, sway(rng, 4.0, 0.06)) for d in distances))


def moving(world: Traffic, path: CameraPath, time_s: float, view_m: float) -> Iterator[Body]:
    """Every mover near the camera at a moment."""
    camera_z = path.z_m(time_s)
    for stream in world.cars:
        for index, z in _members(stream, time_s, camera_z - 6, camera_z + view_m):
            yield from _car(world, (stream.number, index), stream.x_m, z, True)
    for index, (distance, drift) in enumerate(world.leaders):
        yield from _car(world, (9, index), path.lane_x_m, camera_z + distance + drift(time_s), False)
    for stream in world.people:
        for index, z in _members(stream, time_s, camera_z + 1, camera_z + min(view_m, 60)):
            yield from _person(world, stream, index, z, time_s)


def _members(stream: Stream, time_s: float, low: float, high: float) -> Iterator[tuple[int, float]]:
    travelled = stream.speed_m_s * time_s
    first = int(np.floor((low - travelled) / stream.spacing_m)) - 1
    last = int(np.ceil((high - travelled) / stream.spacing_m)) + 1
    for index in range(first, last + 1):
        draw = _draw(stream.number, index)
        z = index * stream.spacing_m + stream.spread_m * (draw[0] - 0.5) + travelled
        if draw[1] < stream.share and low <= z <= high:
            yield index, z


@lru_cache(maxsize=4096)
def _draw(stream: int, index: int) -> tuple[float, float]:
    rng = np.random.default_rng((71, stream, index + 10_000_000))
    return float(rng.random()), float(rng.random())


@dataclass(frozen=True, slots=True)
class _Traits:
    model: int
    color: int
    aside_m: float
    size: float
    step: float


@lru_cache(maxsize=4096)
def _traits(seed: int, stream: int, index: int) -> _Traits:
    rng = np.random.default_rng((seed, 72, stream, index + 10_000_000))
    model, color = int(rng.integers(24)), int(rng.integers(len(PAINTS)))
    return _Traits(model, color, float(rng.uniform(-1, 1)), float(rng.uniform(0.86, 1.08)), float(rng.random()))


def _key(stream: int, index: int) -> int:
    return MOVING_KEYS + stream * (1 << 32) + (index + 10_000_000) * 8


def _car(world: Traffic, member: tuple[int, int], x: float, z: float, oncoming: bool) -> Iterator[Body]:
    traits, key = _traits(world.seed, *member), _key(*member)
    shape = traits.model % len(SHAPES)
    pose = translation(x + 0.15 * traits.aside_m, 0.0, z)
    if oncoming:
        pose = pose @ np.diag([-1.0, 1.0, -1.0, 1.0])
    yield Body(key, Layer.DECAL, car_shadow(shape), pose)
    yield Body(key + 1, Layer.STREET, car(shape, traits.color), pose)


@lru_cache(maxsize=64)
def _limbs(variant: int) -> tuple[tuple[Facet, ...], tuple[Facet, ...], tuple[Facet, ...]]:
    torso = billboard(paint_people.torso(variant), 0.6, 0.74, 1.74, PEDESTRIAN)
    leg = billboard(paint_people.leg(variant), 0.26, -0.86, 0.04, PEDESTRIAN)
    arm = billboard(paint_people.arm(variant), 0.18, -0.62, 0.03, PEDESTRIAN)
    return (torso,), (leg,), (arm,)


def _person(world: Traffic, stream: Stream, index: int, z: float, time_s: float) -> Iterator[Body]:
    traits, key = _traits(world.seed, stream.number, index), _key(stream.number, index)
    phase = 2 * math.pi * (abs(stream.speed_m_s) * time_s / 1.45 + traits.step)
    swing, size = math.sin(phase), traits.size
    torso, leg, arm = _limbs(traits.model)
    x, y = stream.x_m + 0.35 * traits.aside_m, 0.025 * math.cos(2 * phase)
    for side, number in ((-1, 1), (1, 2)):
        pose = _limb_pose(x, y, z, size, (side * 0.09, 0.86), side * swing * 0.5, 0.0)
        yield Body(key + number, Layer.STREET, leg, pose, 0.01 * number)
    yield Body(key, Layer.STREET, torso, _limb_pose(x, y, z, size, (0.0, 0.0), 0.0, 0.0), 0.05)
    for side, number in ((-1, 3), (1, 4)):
        pose = _limb_pose(x, y, z, size, (side * 0.185, 1.36), -side * swing * 0.42, side * 0.06)
        yield Body(key + number, Layer.STREET, arm, pose, 0.06)


def _limb_pose(
    x: float, y: float, z: float, size: float, joint: tuple[float, float], along: float, outward: float
) -> Matrix:
    """Turn about a joint of a person at (x, y, z): ``along`` the way of walking, and ``outward``."""
    c, s, co, so = math.cos(along), math.sin(along), math.cos(outward), math.sin(outward)
    return np.array(
        [
            [size * co, -size * so, 0.0, x + size * joint[0]],
            [size * c * so, size * c * co, -size * s, y + size * joint[1]],
            [size * s * so, size * s * co, size * c, z],
            [0.0, 0.0, 0.0, 1.0],
        ]
    )
