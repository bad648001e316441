"""Shifted codes: the unsigned ones less 128, and the numbers behind them as they were."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etc_edge.graph.grid import Grid
from etc_edge.graph.load import check_model, copy_model
from etc_edge.graph.passes.float_constants import float_biases
from etc_edge.graph.passes.shifted_codes import shift_to_signed
from etc_edge.graph.qdq import QuantizationPlan, insert_qdq, pairs
from etc_edge.graph.view import GraphView
from tests.quantized_networks import agreement, quantized
from tests.small_networks import Builder, run

READ_WITHOUT_PADDING = ["relu", "relu6", "depthwise", "dilated", "grouped"]


def two_convolutions(
    grid: Grid, kernel: int = 1, relu6: bool = False, bias: bool = True, seed: int = 0
) -> tuple[onnx.ModelProto, str]:
    """Convolution, rectifier, pair, convolution; weights and biases in binary fractions, so that all sums are exact."""
    build = Builder(seed)
    random = np.random.default_rng(seed)
    weight = random.integers(-8, 9, (6, 3, 1, 1)) / 8
    inputs = [build.constant(weight)] + ([build.constant(random.integers(-16, 17, 6) / 16)] if bias else [])
    first = build.node("Conv", "image", *inputs, channels=6)
    active = build.clip(first, 0, 6) if relu6 else build.node("Relu", first)
    weight = random.integers(-8, 9, (5, 6, kernel, kernel)) / 8
    second = build.node("Conv", active, build.constant(weight), pads=[kernel // 2] * 4, channels=5)
    return insert_qdq(build.model(second), QuantizationPlan({active: grid})), active


def shifted(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = copy_model(model)
    shift_to_signed(copy)
    check_model(copy, "here")
    return copy


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**16), st.sampled_from([2.0**-6, 2.0**-5, 2.0**-4]), st.booleans())
def test_numbers_are_the_same_to_the_last_bit_and_codes_128_lower(seed: int, scale: float, bias: bool) -> None:
    model, active = two_convolutions(Grid(scale, 0, unsigned=True), bias=bias, seed=seed)
    changed = shifted(model)
    assert not {"Relu", "Clip"} & {node.op_type for node in changed.graph.node}
    image = np.random.default_rng(seed).integers(-40, 41, (1, 3, 32, 48)).astype(np.float32) / 8
    found = []
    for graph in (model, changed):
        (codes,) = (node.output[0] for node in graph.graph.node if node.op_type == "QuantizeLinear")
        graph.graph.output.append(onnx.helper.make_tensor_value_info(codes, 0, None))
        graph.graph.output[-1].type.tensor_type.elem_type = GraphView(graph).element_type(codes)
        found.append(run(graph, {"image": image}, [graph.graph.output[0].name, codes]))
    (values, codes), (other_values, other_codes) = found
    assert np.array_equal(codes.astype(np.int16) - 128, other_codes)
    assert other_codes.dtype == np.int8
    assert np.array_equal(values, other_values)
    (pair,) = pairs(GraphView(changed))
    assert pair.tensor == active
    assert pair.grid == Grid(scale, 0, unsigned=False)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**16), st.integers(0, 127).map(lambda half: 2 * half), st.booleans())
def test_codes_with_any_zero_point_are_128_lower_around_additions_too(seed: int, zero: int, added: bool) -> None:
    """No rectifier: two convolutions, or an addition whose other operand a convolution makes, and its reader.

    Zero points are even here: with an odd one, halves round to the other side.
    """
    build, random = Builder(seed), np.random.default_rng(seed)

    def conv(source: str, inner: int, channels: int) -> str:
        weight, bias = random.integers(-8, 9, (channels, inner, 1, 1)) / 8, random.integers(-16, 17, channels) / 16
        return build.node("Conv", source, build.constant(weight), build.constant(bias), channels=channels)

    first = conv("image", 3, 6)
    second = build.node("Add", conv(first, 6, 6), first) if added else conv(first, 6, 6)
    grid = Grid(2.0**-4, zero, unsigned=True)
    plan = QuantizationPlan({first: grid, second: Grid(2.0**-3, 130, unsigned=True)})
    model = insert_qdq(build.model(conv(second, 6, 5)), plan)
    changed = shifted(model)
    assert [pair.grid for pair in pairs(GraphView(changed))] == [
        Grid(2.0**-4, 0, unsigned=False),
        Grid(2.0**-3, 0, unsigned=False),
    ]
    assert len(changed.graph.node) == len(model.graph.node)
    image = random.integers(-40, 41, (1, 3, 32, 48)).astype(np.float32) / 8
    before, after = (run(graph, {"image": image}, [graph.graph.output[0].name])[0] for graph in (model, changed))
    assert np.array_equal(before, after)


@pytest.mark.parametrize("block", READ_WITHOUT_PADDING)
def test_a_network_computes_the_same_but_for_values_between_two_codes(block: str) -> None:
    """Sums in another order may tip a value that lies on the border of two codes, by one step of one channel."""
    model, logits, _ = quantized(block)
    before = copy_model(model)
    float_biases(before)
    after = shifted(before)
    assert len(after.graph.node) == len(before.graph.node) - 1
    share, difference = agreement(before, after, logits)
    assert share > 0.995
    assert difference < 0.01


@pytest.mark.parametrize(
    ("grid", "options"),
    [
        (Grid(2.0**-5, 0, unsigned=True), {"kernel": 3}),  # padding would be c instead of 0
        (Grid(2.0**-5, 0, unsigned=False), {}),  # a network may have been trained with it
        (Grid(2.0**-5, 3, unsigned=True), {}),
        (Grid(2.0**-5, 0, unsigned=True), {"relu6": True}),  # the grid ends at 7.97, the activation at 6
    ],
    ids=["padded", "signed", "below zero", "clipped inside the grid"],
)
def test_what_would_not_be_exact_stays(grid: Grid, options: dict[str, bool]) -> None:
    model, _ = two_convolutions(grid, **options)
    assert shifted(model) == model


def test_a_clip_that_ends_with_the_grid_is_saturation() -> None:
    model, _ = two_convolutions(Grid(float(np.float32(6 / 255)), 0, unsigned=True), relu6=True)
    assert "Clip" not in {node.op_type for node in shifted(model).graph.node}


def test_an_activation_that_something_else_reads_stays() -> None:
    model, active = two_convolutions(Grid(2.0**-5, 0, unsigned=True))
    model.graph.node.append(onnx.helper.make_node("Neg", [active], ["negated"], name="negated"))
    assert shifted(model) == model


def test_integer_biases_stay_for_float_biases_to_be_made_first() -> None:
    model = quantized("relu")[0]
    assert len(shifted(model).graph.node) == len(model.graph.node)
