"""Graphs for TensorRT: valid, of the types that it takes, and computing what the bundle's graph computes."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from etc_edge.core.errors import GraphError
from etc_edge.graph.load import check_model, copy_model
from etc_edge.graph.lower import lower
from etc_edge.graph.passes.half_precision import SMALLEST_SCALE_HALF
from etc_edge.graph.qdq import pairs
from etc_edge.graph.tensorrt import TensorRtPrecision, lower_for_tensorrt
from etc_edge.graph.tensorrt_numerics import in_float32
from etc_edge.graph.view import GraphView, attributes
from tests.quantized_networks import agreement, quantized
from tests.small_networks import BLOCKS, Builder, deployed

PRECISIONS = get_args(TensorRtPrecision)


def check_types(model: onnx.ModelProto) -> None:
    onnx.shape_inference.infer_shapes(model, strict_mode=True, check_type=True)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("block", BLOCKS)
def test_the_graph_is_valid_and_of_the_types_that_tensorrt_takes(block: str, precision: TensorRtPrecision) -> None:
    lowered = lower_for_tensorrt(quantized(block)[0], precision).model
    check_model(lowered, "here")
    check_types(lowered)
    view = GraphView(lowered)
    for node in lowered.graph.node:
        types = {view.element_type(name) for name in node.input if name}
        if TensorProto.UINT8 in types:
            assert node.op_type == "Cast", "uint8 is converted before anything else"
            assert attributes(node)["to"] in (TensorProto.FLOAT, TensorProto.FLOAT16)
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            zero_point, scale = (view.constant(node.input[place]) for place in (2, 1))
            assert zero_point is not None
            assert not np.any(zero_point.astype(np.float32))
            assert scale is not None
            assert np.all(scale > 0)
            assert TensorProto.INT32 not in types
    assert {info.type.tensor_type.elem_type for info in (*lowered.graph.input, *lowered.graph.output)} == {
        TensorProto.UINT8
    }


@pytest.mark.parametrize("scheme", ["affine", "symmetric"])
@pytest.mark.parametrize("block", BLOCKS)
def test_the_typed_graph_computes_the_untyped_one_but_for_half_precision(block: str, scheme: Any) -> None:
    """The judge is ONNX Runtime on the Q/DQ graph with 32-bit floats, by the letter; scales differ by up to 2⁻¹¹."""
    model, logits, _ = quantized(block, scheme)
    untyped = lower(model, "tensorrt")
    typed = in_float32(lower_for_tensorrt(model, "int8").model)
    share, difference = agreement(untyped, typed, logits)
    assert share >= 0.97
    assert difference < (0.06 if block != "attention" else 0.2)  # three products in a row


@pytest.mark.parametrize("block", BLOCKS)
def test_int8_computes_what_the_symmetric_bundle_computes(block: str) -> None:
    """The untyped graph has the bundle's own codes; only pairs inside fused kernels are gone."""
    model, logits, _ = quantized(block, "symmetric")
    share, difference = agreement(model, lower(model, "tensorrt"), logits)
    assert share >= 0.93
    assert difference < 0.12


@pytest.mark.parametrize("precision", ["fp16", "fp32"])
@pytest.mark.parametrize("block", BLOCKS)
def test_float_builds_of_a_float_bundle_compute_the_same(block: str, precision: TensorRtPrecision) -> None:
    model, logits = deployed(block)
    lowered = lower_for_tensorrt(model, precision).model
    share, difference = agreement(model, in_float32(lowered), logits)
    assert difference < (1e-5 if precision == "fp32" else 0.01)
    assert share >= 0.99


@pytest.mark.parametrize("block", BLOCKS)
def test_float8_stays_near_the_float_network(block: str) -> None:
    floating, logits = deployed(block)
    lowered = in_float32(lower_for_tensorrt(quantized(block)[0], "fp8").model)
    share, _ = agreement(floating, lowered, logits)
    assert share >= 0.85, "E4M3 has three bits of mantissa"


def test_rounding_to_half_is_there_and_survives_the_optimizer() -> None:
    model, logits = deployed("resize_half_pixel")
    rounded = in_float32(lower_for_tensorrt(model, "fp16").model)
    _, difference = agreement(model, rounded, logits)
    assert 1e-5 < difference < 1e-2
    assert agreement(rounded, rounded, logits, optimized=True)[1] < 2e-3


def test_without_types_floats_stay_floats() -> None:
    lowered = lower_for_tensorrt(quantized("add")[0], "int8", typed=False)
    check_model(lowered.model, "here")
    assert lowered.model.opset_import[0].version == 17
    assert not any(tensor.data_type == TensorProto.FLOAT16 for tensor in lowered.model.graph.initializer)
    assert pairs(GraphView(lowered.model))


def test_half_precision_is_written_into_everything_but_codes_and_borders() -> None:
    lowered = lower_for_tensorrt(quantized("add")[0], "int8")
    assert not lowered.float32_nodes
    view = GraphView(lowered.model)
    for node in lowered.model.graph.node:
        if node.op_type in ("Conv", "Add", "Relu", "Resize", "ArgMax"):
            assert view.element_type(node.input[0]) == TensorProto.FLOAT16
    casts = [node for node in lowered.model.graph.node if node.op_type == "Cast"]
    assert len(casts) == 3, "one for the frame and two for the labels"


@pytest.mark.parametrize("typed", [True, False])
def test_an_operator_that_overflows_half_precision_stays_in_float(typed: bool) -> None:
    """Calibration saw 40000 at one tensor: twice that is beyond 65504. What only reads it runs in FP16."""
    build = Builder()
    large = build.node("Relu", build.node("Mul", "image", build.constant(1e4)))
    small = build.node("Mul", large, build.constant(1e-4))
    model = build.model(build.node("Add", small, "image"), 3)
    multiply, relu = (node.name for node in model.graph.node[:2])
    lowered = lower_for_tensorrt(model, "fp16", typed=typed, seen={"image": 9.0, large: 40000.0})
    assert set(lowered.float32_nodes) == {multiply, relu}
    assert "8e+04" in lowered.float32_nodes[relu]
    check_types(lowered.model)
    if typed:
        view = GraphView(lowered.model)
        types = {node.name: view.element_type(node.output[0]) for node in lowered.model.graph.node}
        assert types[multiply] == types[relu] == TensorProto.FLOAT
        assert TensorProto.FLOAT16 in types.values()
    assert lower_for_tensorrt(model, "fp16", typed=typed, seen={"image": 9.0, large: 30000.0}).float32_nodes == {}


def test_what_saturates_is_not_kept_in_float() -> None:
    """A relu6 leaves 6 of whatever comes in, so overflow before it does no harm; without it everything after does."""
    build = Builder()
    large = build.node("Mul", "image", build.constant(60000.0))
    clipped = build.clip(large, 0, 6)
    free = build.node("Add", large, clipped)
    model = build.model(build.node("Add", free, clipped), 3)
    first = lower_for_tensorrt(model, "fp16", seen={"unknown": 1.0})
    assert "nothing known" in next(iter(first.float32_nodes.values()))
    build = Builder()
    only = build.clip(build.node("Mul", "image", build.constant(60000.0)), 0, 6)
    model = build.model(build.node("Add", only, only), 3)
    assert lower_for_tensorrt(model, "fp16", seen={"image": 3.0}).float32_nodes == {}


def test_scales_that_half_precision_cannot_hold_become_scales_that_it_can() -> None:
    model = copy_model(quantized("relu")[0])
    view = GraphView(model)
    convolution = next(node for node in model.graph.node if node.op_type == "Conv" and "preprocess" not in node.name)
    scale_name = view.producer[convolution.input[1]].input[1]
    for tensor in model.graph.initializer:
        if tensor.name == scale_name:
            values = onnx.numpy_helper.to_array(tensor).copy()
            values[0] = 1e-12
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, scale_name))
    lowered = lower_for_tensorrt(model, "int8").model
    view = GraphView(lowered)
    scales = [
        view.constant(node.input[1])
        for node in lowered.graph.node
        if node.op_type == "DequantizeLinear" and view.is_constant(node.input[0])
    ]
    assert min(float(scale.min()) for scale in scales if scale is not None) >= SMALLEST_SCALE_HALF


@pytest.mark.parametrize(
    ("precision", "options"), [("int8", {}), ("fp8", {}), ("fp8", {"typed": False})], ids=["int8", "fp8", "untyped fp8"]
)
def test_a_float_bundle_has_no_int8_build(precision: Any, options: dict[str, bool]) -> None:
    with pytest.raises(GraphError, match="expected"):
        lower_for_tensorrt(deployed("relu")[0], precision, **options)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_bundles_graph_is_not_changed(precision: TensorRtPrecision) -> None:
    model = quantized("concat")[0]
    before = copy_model(model)
    lower_for_tensorrt(model, precision)
    assert model == before
