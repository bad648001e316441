"""Quantized constants as the real numbers that they stand for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from etc_edge.graph.load import replace_nodes
from etc_edge.graph.qdq import pairs
from etc_edge.graph.view import GraphView, attributes


def float_biases(model: onnx.ModelProto) -> None:
    """Replace int32 biases and their `DequantizeLinear` by float constants, in place.

    TensorRT dequantizes 8-bit codes only; it adds biases in float after the sum of products.
    """
    _fold(model, lambda codes: codes.dtype == np.int32)


def drop_quantization(model: onnx.ModelProto) -> None:
    """Remove the pairs of activations and turn quantized constants into the real numbers that they stand for."""
    view = GraphView(model)
    renamed, dropped = {}, set()
    for pair in pairs(view):
        renamed[pair.dequantize.output[0]] = pair.tensor
        dropped |= {pair.quantize.name, pair.dequantize.name}
    for node in model.graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
    replace_nodes(model, [node for node in model.graph.node if node.name not in dropped])
    _fold(model, lambda codes: True)


def real_values(view: GraphView, dequantize: onnx.NodeProto) -> npt.NDArray[np.float32] | None:
    """What a `DequantizeLinear` of constant codes gives, in 32-bit floats as ONNX says; None of other codes."""
    codes, scale = view.constant(dequantize.input[0]), view.constant(dequantize.input[1])
    if codes is None or scale is None:
        return None
    zero_point = view.constant(dequantize.input[2]) if len(dequantize.input) > 2 else None
    shape = [1] * codes.ndim
    if scale.size > 1:
        shape[attributes(dequantize).get("axis", 1)] = -1
    offset = 0 if zero_point is None else zero_point.astype(np.float32).reshape(shape if zero_point.size > 1 else ())
    spread = scale.astype(np.float32).reshape(shape if scale.size > 1 else ())
    real: npt.NDArray[np.float32] = ((codes.astype(np.float32) - offset) * spread).astype(np.float32)
    return real


def _fold(model: onnx.ModelProto, wanted: Callable[[npt.NDArray[Any]], bool]) -> None:
    view, kept = GraphView(model), []
    for node in model.graph.node:
        codes = view.constant(node.input[0]) if node.op_type == "DequantizeLinear" else None
        real = real_values(view, node) if codes is not None and wanted(codes) else None
        if real is None:
            kept.append(node)
        else:
            model.graph.initializer.append(numpy_helper.from_array(np.array(real, order="C"), node.output[0]))
    replace_nodes(model, kept)
