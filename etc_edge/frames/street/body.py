"""Bodies: what stands or moves in the street, as facets with one pose."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from etc_edge.frames.street.geometry import Facet, Matrix

DECAL = -1
"""Label of a facet that darkens or paints what lies below it without being a thing of its own."""


class Layer(IntEnum):
    """What is painted before what; within a layer the farther comes first."""

    SKY = 0
    DECAL = 1
    HOUSES = 2
    STREET = 3


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    """Facets that move together.

    ``key`` names the body in every frame of a clip; ``pose`` (4, 4) takes body to world coordinates, metres;
    ``nearer_m`` moves it forward in the painting order.
    """

    key: int
    layer: Layer
    facets: tuple[Facet, ...]
    pose: Matrix
    nearer_m: float = 0.0
