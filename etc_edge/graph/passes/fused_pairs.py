"""Pairs that would stand inside what an engine fuses: dropped, so that the fusion happens."""

from __future__ import annotations

import onnx

from etc_edge.graph.load import replace_nodes
from etc_edge.graph.qdq import WEIGHTED, pairs
from etc_edge.graph.view import GraphView

ELEMENTWISE = frozenset(["Add", "Mul", "PRelu", "LeakyRelu", "HardSwish", "HardSigmoid", "Sigmoid", "Relu", "Clip"])


def drop_fused_pairs(model: onnx.ModelProto) -> None:
    """Remove the pair between an operator and the one elementwise operator that reads it, in place.

    Engines that run a convolution, an addition and an activation as one kernel keep the values between them in
    registers; rounding them to 8 bits there costs time and precision. Of an operator with two operands one at
    least keeps its pair, since only one can be the kernel's own result.
    """
    view = GraphView(model)
    dropped: set[str] = set()
    absorbed: set[str] = set()
    for pair in reversed(pairs(view)):
        producer = view.producer.get(pair.tensor)
        readers = view.consumers.get(pair.dequantize.output[0], [])
        if producer is None or len(view.consumers[pair.tensor]) != 1 or len(readers) != 1:
            continue
        reader = readers[0]
        if reader.op_type not in ELEMENTWISE or reader.name in absorbed:
            continue
        if producer.op_type in WEIGHTED or producer.op_type in ELEMENTWISE:
            absorbed.add(reader.name)
            dropped.update((pair.quantize.name, pair.dequantize.name))
            reader.input[:] = [pair.tensor if name == pair.dequantize.output[0] else name for name in reader.input]
    replace_nodes(model, [node for node in model.graph.node if node.name not in dropped])
