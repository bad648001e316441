"""Chains that TensorRT's guide shows as fused or broken, made by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest

from etc_edge.graph.grid import Grid
from etc_edge.graph.int8_chains import int8_chains
from etc_edge.graph.passes.idle_pairs import SMALL_SHARE
from etc_edge.graph.qdq import QuantizationPlan, insert_qdq
from etc_edge.graph.tensorrt import lower_for_tensorrt
from etc_edge.graph.view import attributes
from tests.quantized_networks import quantized
from tests.small_networks import BLOCKS, Builder

GRID = Grid.covering(-1, 1, "symmetric")


def chain(body: Callable[[Builder], str], skipped: set[str] = frozenset(), grid: Grid = GRID) -> onnx.ModelProto:
    """A graph with a pair at every tensor that `body` makes but those of the operators in `skipped`."""
    build = Builder()
    model = build.model(body(build), None)
    nodes = [node for node in model.graph.node if node.op_type not in skipped]
    tensors = ["image", *(name for node in nodes for name in node.output)]
    scales = {node.name: np.full(len_of(model, node), 0.01) for node in nodes if node.op_type == "Conv"}
    return insert_qdq(model, QuantizationPlan(dict.fromkeys(tensors, grid), scales))


def len_of(model: onnx.ModelProto, node: onnx.NodeProto) -> int:
    return next(tensor.dims[0] for tensor in model.graph.initializer if tensor.name == node.input[1])


def plain(build: Builder) -> str:
    return build.node("Relu", build.conv("image", 4, bias=False))


def residual(build: Builder) -> str:
    skip = build.node("Relu", build.conv("image", 4, bias=False))
    return build.node("Relu", build.node("Add", build.conv(skip, 4, bias=False), skip))


def test_a_convolution_with_its_activation_is_one_int8_kernel() -> None:
    report = int8_chains(chain(plain, {"Conv"} - {"Conv"}))
    assert report.share == 1.0
    assert report.total_macs == 32 * 48 * 4 * 3 * 9


def test_a_float_input_breaks_the_chain_and_is_named() -> None:
    model = chain(plain)
    reader = next(node for node in model.graph.node if node.op_type == "Conv")
    reader.input[0] = "image"
    report = int8_chains(model)
    assert report.share == 0.0
    (found,) = report.breaks
    assert found.node == reader.name
    assert found.macs == report.total_macs
    assert "its input is a float" in found.reason


def test_a_zero_point_breaks_the_chain() -> None:
    report = int8_chains(chain(plain, grid=Grid.covering(-1, 2, "affine")))
    assert report.share == 0.0
    assert "UINT8" in report.breaks[0].reason


def test_scales_along_the_wrong_axis_break_the_chain() -> None:
    model = chain(plain)
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.name == "axis":
                attribute.i = 1
    assert "axis 1" in int8_chains(model).breaks[0].reason


def test_the_residual_must_be_quantized_for_the_result_to_be() -> None:
    """NVIDIA's figures of xf1 in floating point and in INT8."""
    fused = lower_for_tensorrt(quantized("add", "symmetric")[0], "int8", typed=False).model
    assert not [one for one in int8_chains(fused).breaks if "operand" in one.reason]
    model = chain(residual)
    add = next(node for node in model.graph.node if node.op_type == "Add")
    producer = {node.output[0]: node for node in model.graph.node}
    for position, name in enumerate(add.input):  # the convolution's pair goes, and the other operand's too
        add.input[position] = producer[producer[name].input[0]].input[0]
    pair = [node for node in model.graph.node if node.input[0].removesuffix("_quantized") == add.input[0]]
    for node in pair:
        if node is not add:
            model.graph.node.remove(node)
    broken = int8_chains(model)
    assert broken.share == 1.0, "operands still are codes"
    assert any("other operand" in one.reason and one.macs == 0 for one in broken.breaks)


def test_a_pair_between_convolution_and_addition_costs_no_multiply_adds() -> None:
    assert int8_chains(chain(residual)).share == 1.0


@pytest.mark.parametrize("block", set(BLOCKS) - {"matmul", "attention"})
def test_convolutions_of_every_block_stay_in_int8(block: str) -> None:
    lowered = lower_for_tensorrt(quantized(block)[0], "int8").model
    report = int8_chains(lowered)
    depthwise = {node.name for node in lowered.graph.node if attributes(node).get("group", 1) > 1}
    outside = {one.node for one in report.breaks if one.macs > SMALL_SHARE * report.total_macs}
    assert outside <= {"preprocess_normalise", "conv_0", *depthwise}, "only what is of little work"
    assert report.share >= 0.95
