"""Pairs in front of a concatenation that has a pair behind it: dropped, so that values are rounded once."""

from __future__ import annotations

import onnx

from etc_edge.graph.load import replace_nodes
from etc_edge.graph.qdq import pairs
from etc_edge.graph.view import GraphView


def drop_concatenated_pairs(model: onnx.ModelProto) -> None:
    """Remove the pair of a tensor that only a quantized concatenation reads, in place.

    Quantization commutes with concatenation, so TensorRT moves the pair behind it onto the operands ("Q/DQ
    propagation" in its guide): a pair that stands there already would be a conversion from one grid to another.
    """
    view = GraphView(model)
    found = pairs(view)
    quantized = {pair.tensor for pair in found}
    dropped: set[str] = set()
    for pair in found:
        readers = view.consumers.get(pair.dequantize.output[0], [])
        if len(readers) != 1 or readers[0].op_type != "Concat" or len(view.consumers[pair.tensor]) != 1:
            continue
        if readers[0].output[0] not in quantized or view.producer.get(pair.tensor) is None:
            continue
        reader = readers[0]
        reader.input[:] = [pair.tensor if name == pair.dequantize.output[0] else name for name in reader.input]
        dropped |= {pair.quantize.name, pair.dequantize.name}
    replace_nodes(model, [node for node in model.graph.node if node.name not in dropped])
