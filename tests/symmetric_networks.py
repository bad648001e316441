"""Quantized networks on symmetric grids, as TensorRT computes them, for other engines to run."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper

from etc_edge.graph.load import copy_model
from etc_edge.graph.qdq import pairs
from etc_edge.graph.view import GraphView, fresh_name, tensor_names


def with_symmetric_grids(model: onnx.ModelProto, powers_of_two: bool = False) -> onnx.ModelProto:
    """A copy of a Q/DQ graph whose activations have int8 codes around zero, up to what they reached before.

    With `powers_of_two` scales are rounded up to these, for networks of `exact_networks`.
    """
    copy = copy_model(model)
    taken = tensor_names(copy)
    zero = fresh_name("zero", taken)
    copy.graph.initializer.append(numpy_helper.from_array(np.zeros((), np.int8), zero))
    for pair in pairs(GraphView(copy)):
        reach = pair.grid.scale * 127 if not pair.grid.unsigned else max(-pair.grid.low, pair.grid.high)
        scale = fresh_name(f"{pair.tensor}_symmetric", taken)
        value = np.float32(np.float32(reach) / np.float32(127))
        value = np.exp2(np.ceil(np.log2(value))) if powers_of_two else value
        copy.graph.initializer.append(numpy_helper.from_array(np.array(value), scale))
        for node in (pair.quantize, pair.dequantize):
            node.input[1], node.input[2] = scale, zero
    return copy
