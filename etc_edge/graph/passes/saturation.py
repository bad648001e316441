"""Activations that saturation performs: dropped, so that the operator before them ends in the pair."""

from __future__ import annotations

import onnx

from etc_edge.graph.bounds import activation_bounds
from etc_edge.graph.grid import Grid
from etc_edge.graph.load import replace_nodes
from etc_edge.graph.qdq import pairs
from etc_edge.graph.view import GraphView


def drop_saturated_activations(model: onnx.ModelProto) -> None:
    """Remove `Relu` and `Clip` whose only reader is a QuantizeLinear that saturates at their bounds or inside."""
    view = GraphView(model)
    dropped: set[str] = set()
    for pair in pairs(view):
        producer = view.producer.get(pair.tensor)
        if producer is None or len(view.consumers[pair.tensor]) != 1:
            continue
        bounds = activation_bounds(view, producer)
        if bounds is None:
            continue
        if bounds[0] <= pair.grid.low and bounds[1] >= pair.grid.high - _half_step(pair.grid):
            pair.quantize.input[0] = producer.input[0]
            dropped.add(producer.name)
    replace_nodes(model, [node for node in model.graph.node if node.name not in dropped])


def _half_step(grid: Grid) -> float:
    """A bound less than half a step inside the grid rounds to the grid's own bound."""
    return 0.499 * grid.scale
