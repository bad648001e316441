"""How much work and how many parameters a network has, by node and by stage."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import onnx

from etc_edge.graph.view import GraphView, attributes

CONVERSIONS = frozenset({"QuantizeLinear", "DequantizeLinear"})
"""Nodes that say how values are stored, and compute nothing of the network's."""

SETTINGS = frozenset({"Clip", "Resize", "Pad", "Slice", "Reshape", "Split"})
"""Operators whose constant operands say how to work and are no parameters."""

MOVEMENT = frozenset(
    [
        "MaxPool",
        "Concat",
        "Resize",
        "Reshape",
        "Transpose",
        "Slice",
        "Split",
        "Squeeze",
        "Unsqueeze",
        "Flatten",
        "Pad",
        "DepthToSpace",
        "SpaceToDepth",
    ]
)
"""Operators whose results are (convex combinations of) their inputs' values: codes pass through on one grid."""


@dataclass(frozen=True)
class StageCost:
    """Cost of all operators whose results have one resolution.

    Args:
        stride: input height over the height of the results (8 means an eighth), 0 for results without a height.
        nodes: number of operators; Q/DQ pairs are none.
        macs: multiply-accumulates for one frame.
        parameters: weights, biases and other learned values that only these operators read first, quantized or not.
    """

    stride: int
    nodes: int
    macs: int
    parameters: int


def node_macs(view: GraphView, node: onnx.NodeProto) -> int:
    """Multiply-accumulates of a convolution or matrix product for one frame; 0 for every other operator."""
    if node.op_type in ("Conv", "ConvTranspose"):
        weight = view.static_shape(node.input[1])
        # A kernel is applied once a place of the output (Conv) or of the input (ConvTranspose).
        places = prod(view.static_shape(node.output[0] if node.op_type == "Conv" else node.input[0])[2:])
        return places * prod(weight)
    if node.op_type in ("MatMul", "Gemm"):
        transposed = node.op_type == "Gemm" and attributes(node).get("transA", 0)
        inner = view.static_shape(node.input[0])[-2 if transposed else -1]
        return prod(view.static_shape(node.output[0])) * inner
    return 0


def cost_by_stage(model: onnx.ModelProto, input_height: int) -> list[StageCost]:
    """Costs grouped by the resolution at which they arise, finest first."""
    view = GraphView(model)
    totals: dict[int, list[int]] = {}
    counted: set[str] = set()
    for node in model.graph.node:
        if node.op_type in CONVERSIONS or node.op_type == "Constant":
            continue
        shape = view.shape(node.output[0])
        height = shape[2] if shape is not None and len(shape) == 4 and shape[3] > 3 else 0
        stride = round(input_height / height) if height else 0
        total = totals.setdefault(stride, [0, 0, 0])
        total[0] += 1
        total[1] += node_macs(view, node)
        for name in node.input if node.op_type not in SETTINGS else ():
            stored = _stored(view, name)
            if stored is not None and stored not in counted:
                counted.add(stored)
                total[2] += prod(view.static_shape(stored))
    return [StageCost(stride, *totals[stride]) for stride in sorted(totals)]


def _stored(view: GraphView, name: str) -> str | None:
    """The constant that an operand is, or that it is dequantized from; None where it is computed or no real number."""
    producer = view.producer.get(name)
    if producer is not None and producer.op_type == "DequantizeLinear":
        codes = str(producer.input[0])
        return codes if view.is_constant(codes) else None
    return name if view.is_constant(name) and view.is_float(name) else None
