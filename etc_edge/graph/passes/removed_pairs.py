"""Quantized activations as floats again."""

from __future__ import annotations

from collections.abc import Sequence

import onnx
from onnx import numpy_helper

from etc_edge.graph.load import replace_nodes
from etc_edge.graph.passes.float_constants import real_values
from etc_edge.graph.qdq import WEIGHTED, Pair
from etc_edge.graph.view import GraphView


def remove_pairs(model: onnx.ModelProto, view: GraphView, taken: Sequence[Pair]) -> None:
    """Let the readers of some pairs read their tensors instead, in place.

    Weights of readers that multiply become the float constants that their codes stand for: dequantizing them in front
    of every product would be work without gain.
    """
    names = {pair.dequantize.output[0]: pair.tensor for pair in taken}
    dropped = {name for pair in taken for name in (pair.quantize.name, pair.dequantize.name)}
    for node in model.graph.node:
        if not any(name in names for name in node.input):
            continue
        if node.op_type in WEIGHTED:
            _weight_as_constant(model, view, node)
        node.input[:] = [names.get(name, name) for name in node.input]
    replace_nodes(model, [node for node in model.graph.node if node.name not in dropped])


def _weight_as_constant(model: onnx.ModelProto, view: GraphView, node: onnx.NodeProto) -> None:
    position = WEIGHTED[node.op_type]
    dequantize = view.producer.get(node.input[position])
    real = real_values(view, dequantize) if dequantize is not None else None
    if real is None:
        return
    name = f"{node.input[position]}_as_constant"
    if not any(tensor.name == name for tensor in model.graph.initializer):
        model.graph.initializer.append(numpy_helper.from_array(real, name))
    node.input[position] = name
