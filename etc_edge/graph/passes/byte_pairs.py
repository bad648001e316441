"""Weights whose products cannot saturate where a processor adds two of them in 16 bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from etc_edge.graph.qdq import WEIGHTED, weight_axis
from etc_edge.graph.view import GraphView, attributes, fresh_name, tensor_names

Array = npt.NDArray[Any]

LARGEST_SUM = 128
"""Of two weight codes: 255 · 128 is the last multiple of 255 below 2¹⁵."""


def limit_byte_pairs(model: onnx.ModelProto) -> None:
    """Scale int8 weights down, an output channel at a time, until no pair of neighbouring codes sums beyond ±128.

    x86 processors without VNNI multiply unsigned by signed bytes and add the products of neighbouring input channels
    in 16 bits, where they saturate. oneDNN, which OpenVINO runs on, has no other INT8 kernels for them. Halving every
    code (`reduce_range` elsewhere) costs each weight a bit; only channels with large neighbours need any of it, and
    seldom all. Depthwise weights have no neighbours and stay.
    """
    view, taken = GraphView(model), tensor_names(model)
    limited: set[str] = set()
    for node in model.graph.node:
        position = WEIGHTED.get(node.op_type)
        dequantize = view.producer.get(node.input[position]) if position is not None else None
        if dequantize is None or dequantize.op_type != "DequantizeLinear" or dequantize.name in limited:
            continue
        limited.add(dequantize.name)
        codes, scales = (view.constant(name) for name in dequantize.input[:2])
        if codes is None or scales is None or codes.dtype != np.int8:
            continue
        factors = _factors(codes, node, per_channel=scales.size > 1)
        if np.all(factors == 1):
            continue
        shape = [1] * codes.ndim
        shape[weight_axis(node, codes.ndim)] = factors.size
        smaller = np.round(codes.astype(np.float64) / factors.reshape(shape)).astype(np.int8)
        wider = (scales.astype(np.float64) * factors.reshape(scales.shape)).astype(np.float32)
        for place, value in ((0, smaller), (1, wider)):
            name = fresh_name(f"{dequantize.input[place]}_limited", taken)
            model.graph.initializer.append(numpy_helper.from_array(np.array(value, order="C"), name))
            dequantize.input[place] = name


def _factors(codes: Array, node: onnx.NodeProto, per_channel: bool) -> Array:
    """What to divide the codes by, float64: one value an output channel, or one in all."""
    largest = largest_pair_sums(codes, node)
    worst = largest if per_channel else largest.max(keepdims=True)
    # Rounding may add half a code to each of the two.
    return np.maximum(worst / (LARGEST_SUM - 1), 1.0)


def largest_pair_sums(codes: Array, node: onnx.NodeProto) -> Array:
    """For each output channel the largest magnitude that two codes of one sign sum to, of neighbouring inputs."""
    output = weight_axis(node, codes.ndim)
    if node.op_type == "Conv":
        inputs, groups = 1, 1
    elif node.op_type == "ConvTranspose":
        inputs, groups = 0, attributes(node).get("group", 1)
    else:
        inputs, groups = (codes.ndim - 1 if output == 0 else codes.ndim - 2), 1
    ordered = np.moveaxis(codes.astype(np.int64), (output, inputs), (0, 1))
    ordered = ordered.reshape(ordered.shape[0], groups, ordered.shape[1] // groups, -1)
    if ordered.shape[2] % 2:
        ordered = np.pad(ordered, ((0, 0), (0, 0), (0, 1), (0, 0)))
    couples = ordered.reshape(ordered.shape[0], groups, -1, 2, ordered.shape[3])
    sums = np.maximum(np.maximum(couples, 0).sum(3), np.maximum(-couples, 0).sum(3))
    largest: Array = sums.reshape(len(sums), -1).max(1)
    return largest
