"""Pairs in front of operators that gain nothing from codes: dropped, so that values are rounded less often."""

from __future__ import annotations

import onnx

from etc_edge.graph.operations import node_macs
from etc_edge.graph.passes.removed_pairs import remove_pairs
from etc_edge.graph.qdq import WEIGHTED, pairs
from etc_edge.graph.view import GraphView

SMALL_SHARE = 5e-4
"""Of a network's multiply-adds: products of no weight, such as those that pool for a pyramid."""


def drop_idle_pairs(model: onnx.ModelProto) -> None:
    """Remove pairs that only small products, resizing and quantized concatenations read, in place.

    TensorRT resizes in FP16 (onnx-tensorrt, operator support matrix), and a concatenation with a pair behind it rounds
    its operands a second time. A pyramid's pooling averages what was rounded, and spreads the error over whole areas:
    it is a ten-thousandth of the work. Networks whose grids are signed already stay as they are.
    """
    view = GraphView(model)
    found = pairs(view)
    if not any(pair.grid.unsigned for pair in found):
        return
    small = SMALL_SHARE * sum(node_macs(view, node) for node in model.graph.node)
    quantized = {pair.tensor for pair in found}

    def idle(reader: onnx.NodeProto) -> bool:
        if reader.op_type in WEIGHTED:
            return node_macs(view, reader) <= small
        return reader.op_type == "Resize" or (reader.op_type == "Concat" and reader.output[0] in quantized)

    readers = {pair.tensor: view.consumers.get(pair.dequantize.output[0], []) for pair in found}
    remove_pairs(model, view, [pair for pair in found if readers[pair.tensor] and all(map(idle, readers[pair.tensor]))])
