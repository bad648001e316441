"""What a TensorRT engine will compute, as a graph that runs without TensorRT.

Codes are rounded and clipped as TensorRT's reference says, sums are exact or in 32-bit floats, and values are rounded
to FP16 where an engine stores them in FP16: not between a convolution, an addition, an activation and a conversion to
codes, which one kernel computes in registers.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from etc_edge.graph.int8_chains import EPILOGUE
from etc_edge.graph.load import copy_model, replace_nodes
from etc_edge.graph.operations import MOVEMENT
from etc_edge.graph.passes.float8 import LARGEST_FLOAT8
from etc_edge.graph.passes.float_constants import real_values
from etc_edge.graph.simplify import drop_unused
from etc_edge.graph.view import GraphView, attributes, fresh_name, tensor_names

_STAYS_IN_REGISTERS = EPILOGUE | {"Add", "QuantizeLinear"}
_UNCHANGED = (MOVEMENT - {"Resize"}) | {"DequantizeLinear", "QuantizeLinear"}
"""Operators whose results FP16 holds if it held their inputs."""


def in_float32(model: onnx.ModelProto) -> onnx.ModelProto:
    """A typed graph with 32-bit floats instead of FP16 and the same roundings, for an engine without FP16 kernels.

    Weights become the real numbers that their codes stand for, and E4M3 pairs the arithmetic that they stand for:
    ONNX Runtime's optimiser takes their codes for integers and drops activations in front of them.
    """
    copy = copy_model(model)
    halves = _half_tensors(copy)
    view, taken = GraphView(copy), tensor_names(copy)
    reads = Counter(name for node in copy.graph.node for name in node.input)
    nodes: list[onnx.NodeProto] = []
    for node in copy.graph.node:
        if node.op_type == "DequantizeLinear":
            real = real_values(view, node)
            if real is not None:
                copy.graph.initializer.append(numpy_helper.from_array(np.array(real, order="C"), node.output[0]))
                continue
        if _is_float8(view, node):
            nodes.extend(_float8_arithmetic(copy, view, node, taken))
            continue
        target = attributes(node).get("to") if node.op_type == "Cast" else None
        if target == TensorProto.FLOAT16:
            node.attribute[0].i = TensorProto.FLOAT
        nodes.append(node)
        rounds = [name for name in node.output if name in halves]
        if not rounds or node.op_type in _UNCHANGED or _in_registers(view, rounds[0], reads[rounds[0]]):
            continue
        exact = fresh_name(f"{rounds[0]}_exact", taken)
        half = fresh_name(f"{rounds[0]}_in_half", taken)
        node.output[list(node.output).index(rounds[0])] = exact
        nodes.append(helper.make_node("Cast", [exact], [half], name=half, to=TensorProto.FLOAT16))
        nodes.append(helper.make_node("Cast", [half], [rounds[0]], name=f"{half}_back", to=TensorProto.FLOAT))
    replace_nodes(copy, nodes)
    for tensor in copy.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT16:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), tensor.name))
    del copy.graph.value_info[:]
    drop_unused(copy)
    return copy


def _is_float8(view: GraphView, node: onnx.NodeProto) -> bool:
    if node.op_type not in ("QuantizeLinear", "DequantizeLinear"):
        return False
    return view.element_type(node.input[2]) == TensorProto.FLOAT8E4M3FN


def _float8_arithmetic(
    model: onnx.ModelProto, view: GraphView, node: onnx.NodeProto, taken: set[str]
) -> list[onnx.NodeProto]:
    """castToFp8(clip(x / scale, −448, 448)), and codes · scale."""
    names = [fresh_name(f"{node.output[0]}_{stem}", taken) for stem in ("scale", "low", "high", "scaled", "clipped")]
    scale = view.constant(node.input[1])
    assert scale is not None
    values = [scale.astype(np.float32), np.float32(-LARGEST_FLOAT8), np.float32(LARGEST_FLOAT8)]
    for name, value in zip(names, values, strict=False):
        model.graph.initializer.append(numpy_helper.from_array(np.array(value), name))
    scaled, clipped = names[3:]
    if node.op_type == "DequantizeLinear":
        cast = helper.make_node("Cast", [node.input[0]], [scaled], name=scaled, to=TensorProto.FLOAT)
        return [cast, helper.make_node("Mul", [scaled, names[0]], [node.output[0]], name=node.name)]
    return [
        helper.make_node("Div", [node.input[0], names[0]], [scaled], name=scaled),
        helper.make_node("Clip", [scaled, names[1], names[2]], [clipped], name=clipped),
        helper.make_node("Cast", [clipped], [node.output[0]], name=node.name, to=TensorProto.FLOAT8E4M3FN),
    ]


def _half_tensors(model: onnx.ModelProto) -> set[str]:
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    return {info.name for info in inferred.value_info if info.type.tensor_type.elem_type == TensorProto.FLOAT16}


def _in_registers(view: GraphView, name: str, reads: int) -> bool:
    readers = view.consumers.get(name, [])
    return bool(readers) and reads == 1 and readers[0].op_type in _STAYS_IN_REGISTERS
