from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from etc_edge.backends.onnxruntime.reference import run_reference
from etc_edge.graph.bounds import activation_bounds, with_divided_bounds
from etc_edge.graph.load import check_model, to_bytes
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


def test_bounds_come_down_channel_by_channel() -> None:
    build = Builder(size_hw=(2, 2))
    clipped = build.node("Clip", "image", build.constant(0.0), build.constant(6.0))
    open_above = build.node("Clip", clipped, build.constant(0.0))
    model = build.model(open_above, 3)
    factors = {clipped: np.array([1.0, 0.5, 0.25]), open_above: np.array([0.5, 0.5, 0.5]), "nobody": np.ones(7)}
    before = to_bytes(model)

    bounded = with_divided_bounds(model, factors)

    check_model(bounded, "the bounded graph")
    assert to_bytes(model) == before
    image = np.linspace(-3, 9, 12, dtype=np.float32).reshape(1, 3, 2, 2)
    found = run_reference(to_bytes(bounded), {"image": image}, [open_above])[0]
    assert_array_equal(found, np.clip(image, 0, np.float32([6, 3, 1.5]).reshape(1, 3, 1, 1)))
