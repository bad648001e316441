"""Q/DQ graphs against simulations in numpy and torch, and the grids of weights and biases."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from etc_edge.graph.grid import Grid
from etc_edge.graph.load import check_model, copy_model
from etc_edge.graph.qdq import QuantizationPlan, insert_qdq, pairs, quantize_weight, weight_axis
from etc_edge.graph.view import GraphView
from etc_edge.quantization.weights import weight_scales
from tests.quantized_networks import agreement, quantized
from tests.small_networks import BLOCKS, Builder, deployed, network, run

IMAGE = np.random.default_rng(3).normal(size=(1, 3, 32, 48)).astype(np.float32)
SCHEMES = ["affine", "symmetric"]


def tensors(model: onnx.ModelProto, names: list[str], feeds: dict[str, Any]) -> list[Any]:
    """Values of tensors inside a graph."""
    copy = copy_model(model)
    del copy.graph.output[:]
    copy.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    return run(copy, feeds, names)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_convolution_is_what_a_simulation_says(scheme: Any) -> None:
    build = Builder()
    model = build.model(build.conv("image", 6, stride=2, dilation=2), 6)
    (node,) = model.graph.node
    weight, bias = (numpy_helper.to_array(tensor).astype(np.float64) for tensor in model.graph.initializer)
    scales = weight_scales(weight.astype(np.float32), 0)
    into, out = Grid.covering(-2.5, 2, scheme), Grid.covering(-3, 3.5, scheme)
    plan = QuantizationPlan({"image": into, node.output[0]: out}, {node.name: scales})
    quantized_model = insert_qdq(model, plan)
    check_model(quantized_model, "here")
    (found,) = tensors(quantized_model, [f"{node.output[0]}_dequantized"], {"image": IMAGE})

    step = scales.astype(np.float64).reshape(-1, 1, 1, 1)
    stored_weight = np.clip(np.round(weight / step), -127, 127) * step
    stored_bias = np.round(bias / (into.scale * step.ravel())) * (into.scale * step.ravel())
    exact = torch.nn.functional.conv2d(
        torch.from_numpy(into.simulate(IMAGE).astype(np.float64)),
        torch.from_numpy(stored_weight),
        torch.from_numpy(stored_bias),
        stride=2,
        padding=2,
        dilation=2,
    ).numpy()
    expected = out.simulate(exact)
    assert np.abs(found - expected).max() <= out.scale * 1.001
    assert np.mean(np.isclose(found, expected, atol=out.scale / 100)) > 0.999, "but for sums on a rounding edge"


def single(kind: str, options: dict[str, Any], weight: Any, bias: int | None, source: list[int]) -> onnx.ModelProto:
    random = np.random.default_rng(0)
    constants = {"weight": weight.astype(np.float32)}
    if bias is not None:
        constants["bias"] = random.normal(0, 2, bias).astype(np.float32)
    node = helper.make_node(kind, ["x", *constants], ["y"], name="node", **options)
    graph = helper.make_graph(
        [node],
        "single",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, source)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def uneven(*shape: int, axis: int) -> Any:
    """Random weights whose channels along `axis` differ a thousandfold."""
    random = np.random.default_rng(1)
    strength = np.geomspace(0.001, 1, shape[axis]).reshape([-1 if i == axis else 1 for i in range(len(shape))])
    return random.normal(size=shape) * strength


CASES: dict[str, tuple[onnx.ModelProto, int]] = {
    "Conv": (single("Conv", {}, uneven(8, 4, 3, 3, axis=0), 8, [1, 4, 9, 9]), 0),
    "Conv, grouped": (single("Conv", {"group": 2}, uneven(8, 4, 3, 3, axis=0), 8, [1, 8, 9, 9]), 0),
    "ConvTranspose": (single("ConvTranspose", {}, uneven(4, 8, 2, 2, axis=1), 8, [1, 4, 9, 9]), 1),
    "ConvTranspose, grouped": (
        single("ConvTranspose", {"group": 3}, uneven(6, 4, 2, 2, axis=1), 12, [1, 6, 9, 9]),
        1,
    ),
    "ConvTranspose, depthwise": (
        single("ConvTranspose", {"group": 6}, uneven(6, 1, 2, 2, axis=1), 6, [1, 6, 9, 9]),
        1,
    ),
    "Gemm": (single("Gemm", {}, uneven(4, 8, axis=1), 8, [5, 4]), 1),
    "Gemm, transposed": (single("Gemm", {"transB": 1}, uneven(8, 4, axis=0), 8, [5, 4]), 0),
    "MatMul": (single("MatMul", {}, uneven(4, 8, axis=1), None, [5, 4]), 1),
    "MatMul, stacked": (single("MatMul", {}, uneven(2, 4, 8, axis=2), None, [2, 5, 4]), 2),
}


@pytest.mark.parametrize("case", CASES)
def test_every_output_channel_has_its_scale_and_its_bias(case: str) -> None:
    model, axis = CASES[case]
    node, view = model.graph.node[0], GraphView(model)
    weight, bias = view.constant("weight"), view.constant("bias")
    assert weight is not None
    assert weight_axis(node, weight.ndim) == axis
    scales = weight_scales(weight, axis)
    grid = Grid.covering(-3, 3, "affine")
    quantized_model = insert_qdq(model, QuantizationPlan({"x": grid}, {"node": scales}))

    shape = [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]
    feeds = {"x": np.random.default_rng(2).normal(size=shape).astype(np.float32)}
    names = ["weight_dequantized", *(["bias_of_node_dequantized"] if bias is not None else [])]
    stored, *stored_bias = tensors(quantized_model, names, feeds)
    along = scales.reshape([-1 if i == axis else 1 for i in range(weight.ndim)])
    assert np.array_equal(stored, (quantize_weight(weight, scales, axis) * along).astype(np.float32))
    clipped = np.clip(weight, -127 * along, 127 * along)
    assert (np.abs(stored - clipped) <= along * 0.5001).all()
    if bias is not None:
        groups = len(bias) // scales.size
        assert (np.abs(stored_bias[0] - bias) <= grid.scale * np.tile(scales, groups) * 0.5001 + 1e-6).all()
    run(quantized_model, feeds, ["y"])


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("block", BLOCKS)
def test_every_kind_of_network_is_valid_and_near_the_float_one(block: str, scheme: Any) -> None:
    model, logits, placement = quantized(block, scheme)
    check_model(model, "here")
    names = [node.name for node in model.graph.node]
    assert len(set(names)) == len(names)
    assert [pair.tensor for pair in pairs(GraphView(model))] == sorted(
        placement.tensors, key=[node.output[0] for node in deployed(block)[0].graph.node].index
    )
    share, difference = agreement(deployed(block)[0], model, logits, seed=0)
    assert share > 0.95
    assert difference < 0.12


def test_grids_are_read_back_as_they_were_written() -> None:
    build = Builder()
    model = build.model(build.node("Relu", build.conv("image", 4)), 4)
    grids = {
        "image": Grid.covering(-1, 2, "affine"),
        "conv_0_out": Grid.covering(-1, 2, "symmetric"),
        "relu_1_out": Grid.covering(0, 2, "affine"),
    }
    view = GraphView(insert_qdq(model, QuantizationPlan(grids)))
    assert {pair.tensor: pair.grid for pair in pairs(view)} == grids
    for pair in pairs(view):
        assert [reader.name for reader in view.consumers[pair.tensor]] == [pair.quantize.name]
        assert pair.dequantize.name != pair.quantize.name


def test_a_weight_with_two_readers_is_stored_once_a_grid() -> None:
    build = Builder()
    weight = build.constant(build.random.normal(size=(3, 3, 1, 1)))
    first = build.node("Conv", "image", weight)
    second = build.node("Conv", first, weight)
    model = build.model(build.node("Conv", second, weight), 3)
    one, other = np.full(3, 0.02, np.float32), np.full(3, 0.03, np.float32)
    scales = dict(zip((node.name for node in model.graph.node), (one, one, other), strict=True))
    quantized_model = insert_qdq(model, QuantizationPlan({"image": Grid.covering(-3, 3, "affine")}, scales))
    check_model(quantized_model, "here")
    kinds = [node.op_type for node in quantized_model.graph.node]
    assert kinds.count("DequantizeLinear") == 3
    names = [node.name for node in quantized_model.graph.node]
    assert len(set(names)) == len(names)


def test_constant_operands_get_a_grid_of_their_own() -> None:
    build = Builder()
    values = build.random.normal(size=(1, 3, 1, 1)).astype(np.float32)
    model = build.model(build.node("Add", "image", build.constant(values)), 3)
    grid = Grid.covering(float(values.min()), float(values.max()), "symmetric")
    plan = QuantizationPlan({"image": Grid.covering(-4, 4, "symmetric")}, {}, {"constant_0": grid})
    (found,) = tensors(insert_qdq(model, plan), ["constant_0_dequantized"], {"image": IMAGE})
    assert np.array_equal(found, grid.simulate(values))


def test_the_original_is_not_changed() -> None:
    model = network("relu")
    before = model.SerializeToString(deterministic=True)
    insert_qdq(model, QuantizationPlan({"image": Grid.covering(-1, 1, "affine")}))
    assert model.SerializeToString(deterministic=True) == before
