"""Quantized networks whose sums are exact in 32-bit floats, so that every engine must find the very same codes.

Two engines add the products of a convolution in different orders. Their sums differ in the last bits, a value next to
a rounding edge falls to the other side now and then, and every layer multiplies such codes. With scales that are
powers of two all products and sums are exact, and what differs then differs for another reason.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx

from etc_edge.graph.view import GraphView
from etc_edge.torch_graph.stored import read_stored
from etc_edge.torch_graph.write_back import with_constants


def with_exact_scales(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of a Q/DQ graph whose scales are rounded up to powers of two, weights and biases in codes of these.

    Float matrices are rounded as well. Bilinear interpolation is not exact, and makes halves.
    """
    view = GraphView(model)
    stored = read_stored(view, model.graph.node, [info.name for info in model.graph.output])
    values: dict[str, Any] = {}
    for pair in stored.pairs.values():
        for name in (pair.scale, *stored.same_scale):
            values[name] = _power(_constant(view, name))
    for weight in stored.weights.values():
        codes, scale = _constant(view, weight.codes), _constant(view, weight.scale)
        values[weight.scale] = _power(scale)
        shape = (
            [1] * codes.ndim
            if weight.axis is None
            else [-1 if axis == weight.axis else 1 for axis in range(codes.ndim)]
        )
        coarser = (scale / values[weight.scale]).reshape(shape)
        real = (codes.astype(np.float64) - weight.zero_point) * coarser
        values[weight.codes] = np.clip(np.round(real), weight.low, weight.high) + weight.zero_point
    for bias in stored.biases.values():
        step = np.ravel(values[bias.activation_scale] * values[bias.weight_scale])
        real = _constant(view, bias.codes) * _constant(view, bias.scale).astype(np.float64)
        values[bias.scale] = np.resize(step, _constant(view, bias.scale).shape)
        values[bias.codes] = np.round(real / values[bias.scale])
    for node in model.graph.node:
        for name in node.input if node.op_type == "MatMul" else ():
            if view.is_constant(name):  # the shares of an average
                values[name] = np.round(_constant(view, name) * 1024) / 1024
    return with_constants(model, values)


def _constant(view: GraphView, name: str) -> Any:
    value = view.constant(name)
    assert value is not None
    return value


def _power(scale: Any) -> Any:
    return np.exp2(np.ceil(np.log2(scale))).astype(np.float32)
