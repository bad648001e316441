"""INT8 pairs as FP8 pairs: E4M3 codes over the same ranges."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from etc_edge.graph.load import replace_nodes
from etc_edge.graph.passes.float_constants import real_values
from etc_edge.graph.qdq import WEIGHTED, pairs
from etc_edge.graph.view import GraphView, attributes, fresh_name, tensor_names

LARGEST_FLOAT8 = 448.0
"""Of E4M3 without infinities (`FLOAT8E4M3FN`)."""

CHANNEL_MULTIPLE = 16
"""Weights with fewer channels, or another number, stay in float: tensor cores take FP8 in groups of 16."""


def write_float8(model: onnx.ModelProto) -> None:
    """Turn the pairs of a symmetric INT8 graph into E4M3 pairs with scale = largest magnitude / 448, in place.

    Weights get one scale a tensor; those of grouped convolutions and of channels that are no multiple of 16 become
    float constants, and what else was dequantized from constant codes with them.
    """
    view, taken = GraphView(model), tensor_names(model)

    def constant(stem: str, value: npt.NDArray[Any]) -> str:
        name = fresh_name(stem, taken)
        model.graph.initializer.append(numpy_helper.from_array(np.array(value, order="C"), name))
        return name

    def codes_of(stem: str, values: npt.NDArray[Any]) -> str:
        name = fresh_name(stem, taken)
        raw = values.astype(ml_dtypes.float8_e4m3fn).tobytes()
        tensor = helper.make_tensor(name, TensorProto.FLOAT8E4M3FN, values.shape, raw, raw=True)
        model.graph.initializer.append(tensor)
        return name

    zero = codes_of("float8_zero_point", np.zeros((), np.float32))
    for pair in pairs(view):
        largest = max(-pair.grid.low, pair.grid.high) * 127 / 128 if not pair.grid.unsigned else pair.grid.high
        scale = constant(f"{pair.tensor}_float8_scale", np.array(largest / LARGEST_FLOAT8, np.float32))
        for node in (pair.quantize, pair.dequantize):
            node.input[1], node.input[2] = scale, zero
    kept = []
    for node in model.graph.node:
        real = real_values(view, node) if node.op_type == "DequantizeLinear" else None
        if real is None:
            kept.append(node)
        elif _multiplies_in_float8(view, node):
            largest = max(float(np.abs(real).max(initial=0.0)), 2.0**-17 * LARGEST_FLOAT8)
            scale_value = np.float32(largest / LARGEST_FLOAT8)
            codes = codes_of(f"{node.output[0]}_float8", np.clip(real / scale_value, -LARGEST_FLOAT8, LARGEST_FLOAT8))
            node.input[:] = [codes, constant(f"{node.output[0]}_float8_scale", np.array(scale_value)), zero]
            del node.attribute[:]
            kept.append(node)
        else:
            model.graph.initializer.append(numpy_helper.from_array(np.array(real, order="C"), node.output[0]))
    replace_nodes(model, kept)


def _multiplies_in_float8(view: GraphView, dequantize: onnx.NodeProto) -> bool:
    readers = view.consumers.get(dequantize.output[0], [])
    shape = view.shape(dequantize.input[0])
    if shape is None or not readers:
        return False
    for reader in readers:
        weighted = WEIGHTED.get(reader.op_type)
        if weighted is None or reader.input[weighted] != dequantize.output[0]:
            return False
        if attributes(reader).get("group", 1) != 1 or any(size % CHANNEL_MULTIPLE for size in shape[:2]):
            return False
    return True
