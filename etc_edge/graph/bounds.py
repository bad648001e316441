"""What activation functions limit their results to."""

from __future__ import annotations

import math

import onnx

from etc_edge.graph.view import GraphView


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
