"""How large the values of each tensor can become, from what calibration saw and from the weights."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf, prod

import numpy as np
import onnx
from onnx import TensorProto

from etc_edge.graph.bounds import activation_bounds
from etc_edge.graph.operations import MOVEMENT
from etc_edge.graph.passes.float_constants import real_values
from etc_edge.graph.qdq import WEIGHTED, pairs, weight_axis
from etc_edge.graph.view import GraphView, attributes

UNSEEN = 2.0
"""Frames that calibration did not see may reach this many times what it saw."""

_KEEPING = MOVEMENT | {"Relu", "Clip", "Abs", "Neg", "Identity", "AveragePool", "GlobalAveragePool", "ReduceMean"}
_UP_TO_ONE = frozenset({"Sigmoid", "HardSigmoid", "Softmax", "Tanh"})


def seen_magnitudes(view: GraphView) -> dict[str, float]:
    """The largest magnitude that the grid of each quantized activation covers, by tensor."""
    return {pair.tensor: max(-pair.grid.low, pair.grid.high) for pair in pairs(view)}


def largest_magnitudes(model: onnx.ModelProto, seen: Mapping[str, float]) -> dict[str, float]:
    """A bound on the magnitude of every float tensor; infinity where nothing is known.

    A tensor that calibration saw gets `UNSEEN` times that. Another follows from its operator's inputs: of a convolution
    or matrix product Σ|w| · |x| + |b| over the worst channel. What only a `Relu` or `Clip` reads is bounded by what
    that leaves: a value that overflows below it is cut off all the same.
    """
    view = GraphView(model)
    inputs = [info.name for info in view.inputs() if info.name in seen]
    bound = {name: seen[name] * UNSEEN for name in inputs}
    for node in model.graph.node:
        largest = _of_operator(view, node, bound)
        for name in node.output:
            known = seen.get(name)
            bound[name] = largest if known is None else min(largest, known * UNSEEN)
    for node in reversed(model.graph.node):
        limits = activation_bounds(view, node)
        name = node.input[0] if node.input else ""
        if limits is not None and name in bound and len(view.consumers[name]) == 1:
            bound[name] = min(bound[name], bound[node.output[0]])
    return bound


def _of_operator(view: GraphView, node: onnx.NodeProto, bound: Mapping[str, float]) -> float:
    def of(name: str) -> float:
        value = view.constant(name)
        return bound.get(name, inf) if value is None else float(np.abs(value.astype(np.float64)).max(initial=0.0))

    kind = node.op_type
    if kind == "QuantizeLinear":
        return of(node.input[0])
    if kind == "DequantizeLinear":
        real = real_values(view, node)
        if real is not None:
            return float(np.abs(real).max(initial=0.0))
        return _of_codes(view, node)
    if kind == "Cast":
        source = view.element_type(node.input[0])
        return 255.0 if source == TensorProto.UINT8 else of(node.input[0])
    if kind in WEIGHTED:
        return _of_products(view, node, of(node.input[0]), of(node.input[1]))
    if kind in _UP_TO_ONE:
        return 1.0
    if kind in _KEEPING:
        data = node.input if kind == "Concat" else node.input[:1]
        largest = max(of(name) for name in data)
        limits = activation_bounds(view, node)
        return largest if limits is None else min(largest, max(map(abs, limits)))
    if kind in ("Add", "Sub"):
        return sum(of(name) for name in node.input)
    if kind == "Mul":
        return prod(of(name) for name in node.input)
    if kind == "HardSwish":
        return of(node.input[0])
    if kind == "LeakyRelu":
        return of(node.input[0]) * max(1.0, abs(float(attributes(node).get("alpha", 0.01))))
    if kind == "PRelu":
        return of(node.input[0]) * max(1.0, of(node.input[1]))
    return inf


def _of_codes(view: GraphView, node: onnx.NodeProto) -> float:
    scale = view.constant(node.input[1])
    zero_point = view.constant(node.input[2]) if len(node.input) > 2 else None
    if scale is None or zero_point is None:
        return inf
    if zero_point.dtype not in (np.int8, np.uint8):
        return inf
    reach = max(abs(float(code) - float(zero_point.max())) for code in _ends(zero_point))
    return float(scale.astype(np.float64).max()) * reach


def _ends(zero_point: np.ndarray) -> tuple[int, int]:
    info = np.iinfo(zero_point.dtype)
    return int(info.min), int(info.max)


def _of_products(view: GraphView, node: onnx.NodeProto, data: float, weight_bound: float) -> float:
    weight = _weight(view, node.input[1])
    if weight is None:
        shape = view.shape(node.input[0])
        constant = _weight(view, node.input[0])
        if constant is not None:  # a constant times the data
            return float(np.abs(constant).sum(axis=-1).max()) * weight_bound
        return inf if shape is None else data * weight_bound * shape[-1]
    axis = weight_axis(node, weight.ndim)
    sums = np.abs(weight.astype(np.float64)).sum(axis=tuple(other for other in range(weight.ndim) if other != axis))
    bias = _weight(view, node.input[2]) if len(node.input) > 2 and node.input[2] else None
    return float(sums.max(initial=0.0)) * data + (0.0 if bias is None else float(np.abs(bias).max(initial=0.0)))


def _weight(view: GraphView, name: str) -> np.ndarray | None:
    producer = view.producer.get(name)
    if producer is not None and producer.op_type == "DequantizeLinear":
        return real_values(view, producer)
    return view.constant(name)
