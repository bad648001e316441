"""Which multiply-adds TensorRT keeps in INT8, by its documented fusion rules, and why others leave it.

The rules are those of "TensorRT Processing of Q/DQ Networks" in NVIDIA's guide: an operator with dequantized operands
absorbs the conversions in front of it and, with an addition and an activation in between, the one behind it;
conversions move through operators that commute with them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx

from etc_edge.graph.operations import node_macs
from etc_edge.graph.qdq import WEIGHTED, weight_axis
from etc_edge.graph.view import GraphView, attributes

CODES = frozenset({onnx.TensorProto.INT8, onnx.TensorProto.FLOAT8E4M3FN})

COMMUTING = frozenset({"MaxPool", "Reshape", "Transpose", "Slice", "Squeeze", "Unsqueeze", "Flatten", "Split"})
"""Operators that TensorRT moves a conversion through, since they do not change values."""

EPILOGUE = frozenset({"Relu", "Clip", "LeakyRelu", "PRelu", "HardSwish", "HardSigmoid", "Sigmoid"})
"""Activations that one kernel does after a convolution."""


@dataclass(frozen=True)
class Break:
    """An operator at which a chain of INT8 ends.

    Args:
        node: its name.
        kind: its operator.
        macs: multiply-adds that run in float for it; 0 where it multiplies in INT8 and only its result is float.
        reason: why.
    """

    node: str
    kind: str
    macs: int
    reason: str


@dataclass(frozen=True)
class ChainReport:
    """What of a network multiplies in 8 bits.

    Args:
        total_macs: multiply-adds for one frame.
        int8_macs: those whose operands both arrive as codes.
        breaks: operators that multiply in float, or whose result leaves as float, in the order of the graph.
    """

    total_macs: int
    int8_macs: int
    breaks: tuple[Break, ...]

    @property
    def share(self) -> float:
        """INT8 multiply-adds as a fraction of all."""
        return self.int8_macs / max(1, self.total_macs)


def int8_chains(model: onnx.ModelProto) -> ChainReport:
    """Follow the chains of a graph that was lowered for TensorRT."""
    view = GraphView(model)
    total, inside, breaks = 0, 0, []
    for node in model.graph.node:
        macs = node_macs(view, node)
        if not macs:
            continue
        total += macs
        reason = operand_reason(view, node)
        if reason is not None:
            breaks.append(Break(node.name, node.op_type, macs, reason))
            continue
        inside += macs
        reason = result_reason(view, node)
        if reason is not None:
            breaks.append(Break(node.name, node.op_type, 0, reason))
    return ChainReport(total, inside, tuple(breaks))


def operand_reason(view: GraphView, node: onnx.NodeProto) -> str | None:
    """Why an operator multiplies in float; None where it takes codes."""
    for name in node.input[:2]:
        weight = name == node.input[WEIGHTED[node.op_type]]
        what = "weight" if weight else "input"
        dequantize = _dequantized(view, name)
        if dequantize is None:
            producer = view.producer.get(name)
            made = "constant" if producer is None else f"result of {producer.op_type} {producer.name!r}"
            return f"its {what} is a float {made}"
        reason = _grid_reason(view, dequantize)
        if reason is None and weight and view.is_constant(dequantize.input[0]):
            reason = _axis_reason(view, node, dequantize)
        if reason is not None:
            return f"its {what} has {reason}"
    if len(node.input) > 2 and node.input[2] and not view.is_constant(node.input[2]):
        return "its bias is no float constant"
    return None


def result_reason(view: GraphView, node: onnx.NodeProto) -> str | None:
    """Why an INT8 operator's result leaves as float; None where the conversion behind it becomes part of it."""
    current, added = node.output[0], False
    while True:
        readers = view.consumers.get(current, [])
        quantizing = [reader for reader in readers if reader.op_type == "QuantizeLinear"]
        if readers and len(quantizing) == len(readers):
            return None
        if not readers:
            return "its result is an output of the network"
        if len(readers) > 1:
            return (
                "its result is read both as codes and as float" if quantizing else "several operators read its result"
            )
        reader = readers[0]
        if reader.op_type in EPILOGUE or reader.op_type in COMMUTING or reader.op_type == "Concat":
            current = reader.output[0]
        elif reader.op_type == "Add" and not added:
            others = [name for name in reader.input if name != current]
            for name in others:
                if _dequantized(view, name) is None and not view.is_constant(name):
                    return f"the other operand of {reader.name!r} is float"
            current, added = reader.output[0], True
        else:
            return f"{reader.op_type} {reader.name!r} reads it as float"


def _dequantized(view: GraphView, name: str) -> onnx.NodeProto | None:
    """The `DequantizeLinear` of codes that a tensor comes from, seen through operators that commute with it."""
    producer = view.producer.get(name)
    while producer is not None and producer.op_type in COMMUTING:
        producer = view.producer.get(producer.input[0])
    return producer if producer is not None and producer.op_type == "DequantizeLinear" else None


def _grid_reason(view: GraphView, dequantize: onnx.NodeProto) -> str | None:
    kind = view.element_type(dequantize.input[0])
    if kind not in CODES and len(dequantize.input) > 2:
        kind = view.element_type(dequantize.input[2])
    if kind not in CODES:
        return f"codes of type {onnx.TensorProto.DataType.Name(kind)}, expected INT8"
    scale = view.constant(dequantize.input[1])
    if scale is None:
        return "a scale that is no constant"
    if not bool(np.all(scale > 0)):
        return "a scale that is not positive"
    zero_point = view.constant(dequantize.input[2]) if len(dequantize.input) > 2 else None
    if zero_point is not None and bool(np.any(zero_point.astype(np.float32) != 0)):
        return f"zero point {zero_point.reshape(-1)[0]}, expected 0"
    return None


def _axis_reason(view: GraphView, node: onnx.NodeProto, dequantize: onnx.NodeProto) -> str | None:
    scale, shape = view.constant(dequantize.input[1]), view.static_shape(dequantize.input[0])
    if scale is None or scale.size == 1:
        return None
    axis, wanted = attributes(dequantize).get("axis", 1), weight_axis(node, len(shape))
    return None if axis % len(shape) == wanted else f"scales along axis {axis}, expected its output channels ({wanted})"
