"""The grid's laws, and ONNX Runtime's QuantizeLinear and DequantizeLinear as a second opinion, bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from etc_edge.graph.grid import Grid, Scheme
from tests.small_networks import Float, run

SCHEMES: list[Scheme] = ["affine", "symmetric"]
bounds = st.floats(2**-20, 2**20, width=32)
schemes = st.sampled_from(SCHEMES)


def onnx_round_trip(grid: Grid, values: Float) -> tuple[Any, Any]:
    """Real values and codes of a pair in ONNX Runtime."""
    kind = TensorProto.UINT8 if grid.unsigned else TensorProto.INT8
    constants = {
        "scale": np.array(grid.scale, np.float32),
        "zero_point": np.array(grid.zero_point, np.uint8 if grid.unsigned else np.int8),
    }
    nodes = [
        helper.make_node("QuantizeLinear", ["x", *constants], ["codes"]),
        helper.make_node("DequantizeLinear", ["codes", *constants], ["real"]),
    ]
    graph = helper.make_graph(
        nodes,
        "pair",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None])],
        [
            helper.make_tensor_value_info("real", TensorProto.FLOAT, [None]),
            helper.make_tensor_value_info("codes", kind, [None]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    real, codes = run(model, {"x": values}, ["real", "codes"])
    return real, codes


@given(bounds, bounds, schemes)
def test_values_inside_come_back_within_half_a_step(below: float, above: float, scheme: Scheme) -> None:
    grid = Grid.covering(-below, above, scheme)
    inside = np.linspace(max(-below, grid.low), min(above, grid.high), 999, dtype=np.float32)
    # A last bit of the largest value for the division and one for the multiplication.
    slack = 3e-7 * max(below, above)
    assert np.abs(grid.simulate(inside) - inside).max() <= grid.scale / 2 + slack


@given(bounds, bounds, schemes)
def test_values_outside_saturate(below: float, above: float, scheme: Scheme) -> None:
    grid = Grid.covering(-below, above, scheme)
    outside = np.array([grid.low * 2 - above, grid.high * 2 + below, -np.inf, np.inf], np.float32)
    expected = np.array([grid.low, grid.high, grid.low, grid.high])
    assert grid.simulate(outside) == pytest.approx(expected, rel=1e-6)


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), schemes)
def test_zero_is_exact_whatever_the_range(one: float, other: float, scheme: Scheme) -> None:
    grid = Grid.covering(min(one, other), max(one, other), scheme)
    assert grid.simulate(np.zeros(1)) == 0
    assert grid.low <= 0 <= grid.high


@given(bounds, bounds, schemes)
def test_the_range_is_covered_to_half_a_step(below: float, above: float, scheme: Scheme) -> None:
    grid = Grid.covering(-below, above, scheme)
    assert grid.low <= -below + 0.5001 * grid.scale
    assert grid.high >= above - 0.5001 * grid.scale
    span = 2 * max(below, above) if scheme == "symmetric" else below + above
    assert grid.scale == pytest.approx(span / (254 if scheme == "symmetric" else 255))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_onnx_runtime_says_the_same_bit_for_bit(scheme: Scheme) -> None:
    random = np.random.default_rng(0)
    for _ in range(60):
        low, high = -np.exp(random.normal(0, 4)), np.exp(random.normal(0, 4))
        grid = Grid.covering(low, high, scheme)
        halves = (np.arange(-140, 300) + 0.5) * grid.scale  # where rounding goes to the even code
        values = np.concatenate([random.uniform(low * 1.3, high * 1.3, 2000), halves]).astype(np.float32)
        assert np.array_equal(grid.simulate(values), onnx_round_trip(grid, values)[0])


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("low", "high"), [(0.0, 0.0), (0.0, 1e-40), (-1e-30, 1e-30)])
def test_a_tensor_of_next_to_nothing_gets_a_harmless_grid(low: float, high: float, scheme: Scheme) -> None:
    grid = Grid.covering(low, high, scheme)
    assert grid.scale >= 0.99e-12
    values = np.array([low, 0, high, 0.3, -0.3], np.float32)
    simulated = grid.simulate(values)
    assert np.isfinite(simulated).all()
    assert np.array_equal(simulated, onnx_round_trip(grid, values)[0])


@pytest.mark.parametrize(("scheme", "codes"), [("affine", (0, 255)), ("symmetric", (-128, 127))])
def test_codes_are_those_of_a_byte(scheme: Scheme, codes: tuple[int, int]) -> None:
    grid = Grid.covering(-1, 3, scheme)
    assert (grid.low_code, grid.high_code) == codes
    _, found = onnx_round_trip(grid, np.array([-9, 9], np.float32))
    assert tuple(found.tolist()) == codes
    assert grid.zero_point == (64 if scheme == "affine" else 0)
