"""Constant factors and offsets, batch normalisation first of all, as part of convolutions."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from etc_edge.graph.load import replace_nodes
from etc_edge.graph.view import GraphView, attributes, fresh_name, tensor_names

Array = npt.NDArray[Any]


def fold_affine_into_convolutions(model: onnx.ModelProto) -> None:
    """Fold per-channel factors and offsets into the (transposed) convolution before them, in place.

    They come as `Mul`, `Add`, `Sub` or `Div` by a constant, or as `BatchNormalization`.
    """
    view, taken = GraphView(model), tensor_names(model)
    outputs = {info.name for info in model.graph.output}
    folded: set[int] = set()
    for node in model.graph.node:
        found = _factor_and_offset(view, node)
        if found is None or found[0] in outputs:
            continue
        data, factor, offset = found
        convolution = view.producer.get(data)
        if convolution is None or len(view.consumers[data]) != 1:
            continue
        if _fold(model, view, convolution, factor, offset, taken):
            convolution.output[0] = node.output[0]
            view.producer[node.output[0]] = convolution
            folded.add(id(node))
    replace_nodes(model, [node for node in model.graph.node if id(node) not in folded])


def batch_norm_to_convolution(model: onnx.ModelProto) -> None:
    """Turn batch normalisation that no convolution precedes into a depthwise 1×1 convolution, in place.

    As a convolution it takes part in INT8: one weight a channel loses nothing in 8 bits with a scale a channel, and
    engines fuse the activation after it.
    """
    view, taken = GraphView(model), tensor_names(model)
    nodes = []
    for node in model.graph.node:
        shape = view.shape(node.input[0]) if node.op_type == "BatchNormalization" else None
        found = _normalisation(view, node) if shape is not None and len(shape) == 4 else None
        if found is None:
            nodes.append(node)
            continue
        factor, offset = found
        stem = node.output[0]
        weight = _add_constant(model, view, f"{stem}_weight", factor.reshape(-1, 1, 1, 1), taken)
        bias = _add_constant(model, view, f"{stem}_bias", offset, taken)
        options: dict[str, Any] = {"kernel_shape": [1, 1], "group": len(factor)}
        nodes.append(helper.make_node("Conv", [node.input[0], weight, bias], [stem], name=node.name, **options))
    replace_nodes(model, nodes)


def _factor_and_offset(view: GraphView, node: onnx.NodeProto) -> tuple[str, Array, Array] | None:
    """The tensor that a node multiplies and adds constants to, and the constants; None for other nodes."""
    one, zero = np.ones((), np.float32), np.zeros((), np.float32)
    if node.op_type == "BatchNormalization":
        normalisation = _normalisation(view, node)
        if normalisation is None:
            return None
        factor, offset = (values.astype(np.float32).reshape(1, -1, 1, 1) for values in normalisation)
        return node.input[0], factor, offset
    if node.op_type not in ("Mul", "Add", "Sub", "Div"):
        return None
    data = [name for name in node.input if not view.is_constant(name)]
    constants = [view.constant(name) for name in node.input if view.is_constant(name)]
    if len(data) != 1 or len(constants) != 1 or constants[0] is None or constants[0].dtype != np.float32:
        return None
    value = constants[0]
    if node.op_type == "Mul":
        return data[0], value, zero
    if node.op_type == "Add":
        return data[0], one, value
    if node.input[0] != data[0] or (node.op_type == "Div" and not value.all()):
        return None
    return (data[0], one, -value) if node.op_type == "Sub" else (data[0], one / value, zero)


def _normalisation(view: GraphView, node: onnx.NodeProto) -> tuple[Array, Array] | None:
    """Factor and offset of a batch normalisation, float64 (channels,); None where they are not constant."""
    constants = [view.constant(name) for name in node.input[1:5]]
    if any(value is None for value in constants) or attributes(node).get("training_mode", 0):
        return None
    gamma, beta, mean, variance = (np.asarray(value, np.float64) for value in constants)
    factor = gamma / np.sqrt(variance + attributes(node).get("epsilon", 1e-5))
    return factor, beta - mean * factor


def _fold(
    model: onnx.ModelProto, view: GraphView, convolution: onnx.NodeProto, factor: Array, offset: Array, taken: set[str]
) -> bool:
    """Fold constants into a convolution's weight and bias; False where that is not possible."""
    if convolution.op_type not in ("Conv", "ConvTranspose"):
        return False
    weight_name, bias_name = convolution.input[1], convolution.input[2] if len(convolution.input) > 2 else ""
    weight = view.constant(weight_name)
    bias = view.constant(bias_name) if bias_name else np.zeros((), np.float32)
    if weight is None or bias is None:
        return False
    groups = attributes(convolution).get("group", 1)
    channels = weight.shape[0] if convolution.op_type == "Conv" else weight.shape[1] * groups
    scale, shift = (_channel_vector(value, channels, weight.ndim) for value in (factor, offset))
    if scale is None or shift is None:
        return False
    if np.any(scale != 1):
        weight = _scale_outputs(weight, scale, convolution.op_type, groups)
        convolution.input[1] = _add_constant(model, view, f"{weight_name}_folded", weight, taken)
    bias_stem = bias_name or f"{convolution.output[0]}_bias"
    new_bias = _add_constant(model, view, f"{bias_stem}_folded", bias * scale + shift, taken)
    del convolution.input[2:]
    convolution.input.append(new_bias)
    return True


def _scale_outputs(weight: Array, factor: Array, op_type: str, groups: int) -> Array:
    """Multiply a kernel's output channels: axis 0 for Conv, axis 1 within each group for ConvTranspose."""
    spatial = (1,) * (weight.ndim - 2)
    if op_type == "Conv":
        return weight * factor.reshape(-1, 1, *spatial)
    per_group = factor.reshape(groups, 1, -1, *spatial)
    return (weight.reshape(groups, -1, *weight.shape[1:]) * per_group).reshape(weight.shape)


def _channel_vector(value: Array, channels: int, rank: int) -> Array | None:
    """A constant as one value a channel where it broadcasts like that over NCHW, else None."""
    if value.size == 1 and value.ndim <= rank:
        return np.full(channels, value.reshape(()), np.float32)
    aligned = value.reshape((1,) * (rank - value.ndim) + value.shape) if value.ndim <= rank else value
    if aligned.ndim == rank and aligned.size == channels and aligned.shape[1] == channels:
        return aligned.reshape(-1)
    return None


def _add_constant(model: onnx.ModelProto, view: GraphView, stem: str, value: Array, taken: set[str]) -> str:
    name = fresh_name(stem, taken)
    model.graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(value, np.float32), name))
    view.add_initializer(model.graph.initializer[-1])
    return name
