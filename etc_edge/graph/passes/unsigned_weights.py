"""int8 weights as uint8: the same numbers with every code and zero point 128 higher."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper

from etc_edge.graph.qdq import WEIGHTED
from etc_edge.graph.view import GraphView, fresh_name, tensor_names


def shift_weights_to_unsigned(model: onnx.ModelProto) -> None:
    """Turn int8 weight codes with zero point z into uint8 codes with zero point z + 128, in place.

    x86 processors without VNNI add pairs of products of unsigned and signed bytes into 16 bits, where they saturate.
    ONNX Runtime multiplies two unsigned operands in 16 bits and adds in 32: slower, and right.
    """
    view, taken = GraphView(model), tensor_names(model)
    for node in model.graph.node:
        position = WEIGHTED.get(node.op_type)
        dequantize = view.producer.get(node.input[position]) if position is not None else None
        if dequantize is None or dequantize.op_type != "DequantizeLinear":
            continue
        codes, zero_points = (view.constant(name) for name in (dequantize.input[0], dequantize.input[2]))
        if codes is None or zero_points is None or codes.dtype != np.int8:
            continue
        for place, value in ((0, codes), (2, zero_points)):
            name = fresh_name(f"{dequantize.input[place]}_unsigned", taken)
            shifted = (value.astype(np.int16) + 128).astype(np.uint8)
            model.graph.initializer.append(numpy_helper.from_array(shifted, name))
            dequantize.input[place] = name
