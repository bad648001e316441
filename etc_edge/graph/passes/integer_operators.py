"""Operators between pairs as ONNX Runtime's integer operators, written out instead of left to its pattern matching.

ONNX Runtime's own fusion of Q/DQ graphs leaves some operators in float (additions, for one) that it has
integer kernels for. The operators of domain `com.microsoft` are documented in its ContribOperators page.
"""

from __future__ import annotations

from collections.abc import Callable

import onnx
from onnx import helper

from etc_edge.graph.load import replace_nodes
from etc_edge.graph.qdq import grid_of
from etc_edge.graph.view import GraphView, attributes

DOMAIN = "com.microsoft"

CODE_MOVERS = frozenset(
    ["MaxPool", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "Slice", "DepthToSpace", "SpaceToDepth"]
)
"""Operators that ONNX Runtime runs on uint8 codes as they are, where input and output share one grid."""


def fuse_integer_operators(model: onnx.ModelProto) -> None:
    """Replace `DequantizeLinear → operator → QuantizeLinear` by an integer operator, in place, where there is one."""
    view = GraphView(model)
    nodes: list[onnx.NodeProto] = []
    for node in model.graph.node:
        quantize = _only_reader_quantizes(view, node)
        build = BUILDERS.get(node.op_type)
        fused = build(view, node, quantize) if quantize is not None and build is not None else None
        if fused is not None and quantize is not None:
            fused.name, fused.output[:] = node.name, quantize.output
            quantize.op_type = "replaced"
            nodes.append(fused)
        else:
            nodes.append(node)
    replace_nodes(model, [node for node in nodes if node.op_type != "replaced"])
    if not any(entry.domain == DOMAIN for entry in model.opset_import):
        model.opset_import.append(helper.make_opsetid(DOMAIN, 1))


def _only_reader_quantizes(view: GraphView, node: onnx.NodeProto) -> onnx.NodeProto | None:
    if len(node.output) != 1:
        return None
    readers = view.consumers.get(node.output[0], [])
    return readers[0] if len(readers) == 1 and readers[0].op_type == "QuantizeLinear" else None


def _codes(view: GraphView, name: str) -> list[str] | None:
    """The codes, scale and zero point behind a dequantized tensor, or None where it is not one."""
    producer = view.producer.get(name)
    return list(producer.input) if producer is not None and producer.op_type == "DequantizeLinear" else None


def _copy_attributes(source: onnx.NodeProto, target: onnx.NodeProto) -> onnx.NodeProto:
    target.attribute.extend(source.attribute)
    return target


def _convolution(view: GraphView, node: onnx.NodeProto, quantize: onnx.NodeProto) -> onnx.NodeProto | None:
    data, weight = _codes(view, node.input[0]), _codes(view, node.input[1])
    bias = _codes(view, node.input[2]) if len(node.input) > 2 else []
    if data is None or weight is None or bias is None:
        return None
    inputs = [*data, *weight, *quantize.input[1:3], *bias[:1]]
    return _copy_attributes(node, helper.make_node("QLinearConv", inputs, []))


def _matrix_product(view: GraphView, node: onnx.NodeProto, quantize: onnx.NodeProto) -> onnx.NodeProto | None:
    first, second = _codes(view, node.input[0]), _codes(view, node.input[1])
    if first is None or second is None:
        return None
    return helper.make_node("QLinearMatMul", [*first, *second, *quantize.input[1:3]], [])


def _elementwise(view: GraphView, node: onnx.NodeProto, quantize: onnx.NodeProto) -> onnx.NodeProto | None:
    operands = [_codes(view, name) for name in node.input]
    if any(operand is None for operand in operands):
        return None
    inputs = [name for operand in operands if operand for name in operand]
    return helper.make_node(f"QLinear{node.op_type}", [*inputs, *quantize.input[1:3]], [], domain=DOMAIN)


def _concatenation(view: GraphView, node: onnx.NodeProto, quantize: onnx.NodeProto) -> onnx.NodeProto | None:
    operands = [_codes(view, name) for name in node.input]
    if any(operand is None for operand in operands):
        return None
    inputs = [name for operand in operands if operand for name in operand]
    fused = helper.make_node("QLinearConcat", [*quantize.input[1:3], *inputs], [], domain=DOMAIN)
    return _copy_attributes(node, fused)


def _unary(view: GraphView, node: onnx.NodeProto, quantize: onnx.NodeProto) -> onnx.NodeProto | None:
    data = _codes(view, node.input[0])
    if data is None or (node.op_type == "AveragePool" and attributes(node).get("auto_pad", b"NOTSET") != b"NOTSET"):
        return None
    fused = helper.make_node(f"QLinear{node.op_type}", [*data, *quantize.input[1:3]], [], domain=DOMAIN)
    return _copy_attributes(node, fused)


def _on_codes(view: GraphView, node: onnx.NodeProto, quantize: onnx.NodeProto) -> onnx.NodeProto | None:
    data = _codes(view, node.input[0])
    if data is None or grid_of(view, view.producer[node.input[0]]) != grid_of(view, quantize):
        return None
    moved = onnx.NodeProto()
    moved.CopyFrom(node)
    moved.input[0] = data[0]
    return moved


Builder = Callable[[GraphView, onnx.NodeProto, onnx.NodeProto], onnx.NodeProto | None]
BUILDERS: dict[str, Builder] = {
    "Conv": _convolution,
    "MatMul": _matrix_product,
    "Add": _elementwise,
    "Mul": _elementwise,
    "Concat": _concatenation,
    "Sigmoid": _unary,
    "LeakyRelu": _unary,
    "AveragePool": _unary,
    "GlobalAveragePool": _unary,
    **dict.fromkeys(CODE_MOVERS, _on_codes),
}
