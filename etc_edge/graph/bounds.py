"""What activation functions limit their results to."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from etc_edge.graph.load import copy_model, replace_nodes
from etc_edge.graph.view import GraphView, fresh_name, tensor_names


def activation_bounds(view: GraphView, node: onnx.NodeProto) -> tuple[float, float] | None:
    """Lower and upper bound that a `Relu` or `Clip` enforces, ±inf where there is none; None for other operators."""
    if node.op_type == "Relu":
        return 0.0, math.inf
    if node.op_type != "Clip":
        return None
    limits = [-math.inf, math.inf]
    for position, name in enumerate(node.input[1:3]):
        if name:
            value = view.constant(name)
            if value is None:
                return None
            limits[position] = float(value.reshape(()))
    return limits[0], limits[1]


def with_divided_bounds(model: onnx.ModelProto, factors: Mapping[str, npt.NDArray[Any]]) -> onnx.ModelProto:
    """A copy of a float graph in which the upper bounds of some `Clip`s are brought down, channel by channel.

    Where a channel is divided by f and its bound stays b, the network computes what it would with a bound of f·b and
    nothing divided; this is that network.

    Args:
        model: a float graph.
        factors: float32 (channels,) by tensor name; those of tensors (N, channels, H, W) that a `Clip` with a finite
            upper bound makes are used, others say nothing about bounds.
    """
    copy = copy_model(model)
    view, taken = GraphView(copy), tensor_names(copy)
    nodes: list[onnx.NodeProto] = []
    for node in copy.graph.node:
        divided = factors.get(node.output[0]) if node.op_type == "Clip" else None
        bounds = None if divided is None else activation_bounds(view, node)
        if divided is None or bounds is None or not math.isfinite(bounds[1]):
            nodes.append(node)
            continue
        # A Clip has one bound for all channels.
        limit, result = fresh_name(f"{node.output[0]}_limit", taken), node.output[0]
        limits = (bounds[1] * np.asarray(divided, np.float64)).astype(np.float32).reshape(-1, 1, 1)
        copy.graph.initializer.append(numpy_helper.from_array(limits, limit))
        node.output[0] = fresh_name(f"{result}_unlimited", taken)
        nodes += [node, helper.make_node("Min", [node.output[0], limit], [result], name=f"{node.name}_limited")]
    replace_nodes(copy, nodes)
    return copy
