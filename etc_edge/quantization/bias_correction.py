"""Bias correction: what rounding a weight adds to the mean of an output channel is taken off its bias.

With ε = Q(W) − W an operator gives ε·x more than it should, on average ε·E[x]: a shift that training has not seen and
that the next layers carry on (Nagel et al., "Data-free quantization through weight equalization and bias correction",
ICCV 2019, section 4.2 and equation 16). The paper works E[x] out from batch normalisation; here it is measured on the
calibration frames, as in its appendix. Weights of depthwise convolutions are few, so that their errors do not cancel.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from etc_edge.graph.load import copy_model
from etc_edge.graph.qdq import quantize_weight, weight_axis
from etc_edge.graph.view import GraphView, attributes, fresh_name, tensor_names
from etc_edge.quantization.placement import Placement

Array = npt.NDArray[Any]
Corrections = dict[str, npt.NDArray[np.float32]]

CORRECTED = frozenset({"Conv"})


def correctable(model: onnx.ModelProto, placement: Placement) -> dict[str, str]:
    """The input of every quantized convolution with a constant weight, by the convolution's name."""
    view, int8 = GraphView(model), set(placement.int8_nodes)
    return {
        node.name: node.input[0]
        for node in model.graph.node
        if node.name in int8 and node.op_type in CORRECTED and view.constant(node.input[1]) is not None
    }


def bias_corrections(
    model: onnx.ModelProto, scales: Mapping[str, Array], input_means: Mapping[str, Array]
) -> Corrections:
    """What to add to the biases of convolutions: −ε·E[x].

    Borders, where padding takes the place of x, are counted as if x went on; they are few.

    Args:
        model: the float graph whose weights are quantized.
        scales: float32 scales of weights, one an output channel or one in all, by name of the operator.
        input_means: mean of each channel of the operators' inputs, (channels,), by tensor name.

    Returns:
        float32 (output channels,) by name of the operator.
    """
    view, found = GraphView(model), Corrections()
    for node in model.graph.node:
        if node.op_type not in CORRECTED or node.name not in scales or node.input[0] not in input_means:
            continue
        weight = view.constant(node.input[1])
        assert weight is not None
        error = _rounded(weight, np.asarray(scales[node.name]), node) - weight.astype(np.float64)
        groups = attributes(node).get("group", 1)
        # (groups, out / groups, in / groups) times (groups, in / groups)
        per_input = error.reshape(*error.shape[:2], -1).sum(-1).reshape(groups, -1, error.shape[1])
        means = np.asarray(input_means[node.input[0]], np.float64).reshape(groups, error.shape[1])
        found[node.name] = -np.einsum("goi,gi->go", per_input, means).reshape(-1).astype(np.float32)
    return found


def apply_corrections(model: onnx.ModelProto, corrections: Mapping[str, Array]) -> onnx.ModelProto:
    """A copy of a float graph with corrected biases; operators without a bias get one."""
    copy = copy_model(model)
    view, taken = GraphView(copy), tensor_names(copy)
    for node in copy.graph.node:
        added = corrections.get(node.name)
        if added is None:
            continue
        has_bias = len(node.input) > 2 and bool(node.input[2])
        bias = view.constant(node.input[2]) if has_bias else np.zeros(len(added), np.float32)
        assert bias is not None
        name = fresh_name(f"{node.input[2] if has_bias else node.name}_corrected", taken)
        corrected = np.asarray(bias + np.asarray(added, np.float32), np.float32)
        copy.graph.initializer.append(numpy_helper.from_array(corrected, name))
        node.input[:] = [*node.input[:2], name]
    return copy


def _rounded(weight: Array, scales: Array, node: onnx.NodeProto) -> npt.NDArray[np.float64]:
    axis = weight_axis(node, weight.ndim)
    shape = [1] * weight.ndim
    if scales.size > 1:
        shape[axis] = -1
    return quantize_weight(weight, scales, axis).astype(np.float64) * scales.astype(np.float64).reshape(shape)
