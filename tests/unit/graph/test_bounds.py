from __future__ import annotations

import math

import pytest

from etc_edge.graph.bounds import activation_bounds
from etc_edge.graph.view import GraphView
from tests.small_networks import Builder


@pytest.mark.parametrize(
    ("kind", "limits", "expected"),
    [
        ("Relu", (), (0, math.inf)),
        ("Clip", (0, 6), (0, 6)),
        ("Clip", (None, 6), (-math.inf, 6)),
        ("Clip", (-1,), (-1, math.inf)),
        ("Clip", (), (-math.inf, math.inf)),
        ("Sigmoid", (), None),
    ],
)
def test_what_an_activation_limits(
    kind: str, limits: tuple[float | None, ...], expected: tuple[float, float] | None
) -> None:
    build = Builder()
    constants = ["" if limit is None else build.constant(limit) for limit in limits]
    model = build.model(build.node(kind, "image", *constants), 3)
    assert activation_bounds(GraphView(model), model.graph.node[-1]) == expected


def test_limits_that_are_computed_are_not_known() -> None:
    build = Builder()
    low = build.node("ReduceMin", "image", keepdims=0)
    model = build.model(build.node("Clip", "image", low), 3)
    assert activation_bounds(GraphView(model), model.graph.node[-1]) is None
