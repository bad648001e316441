"""From a float graph and ranges to the Q/DQ graph."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import onnx

from etc_edge.core.errors import CalibrationError
from etc_edge.core.table import nearest
from etc_edge.graph.grid import Grid, Scheme
from etc_edge.graph.qdq import WEIGHTED, QuantizationPlan, insert_qdq, weight_axis
from etc_edge.graph.view import GraphView, tensor_names
from etc_edge.quantization.placement import Placement
from etc_edge.quantization.ranges import TensorRange
from etc_edge.quantization.weights import WEIGHT_SCALES, Granularity, with_room_for_bias

Scales = npt.NDArray[np.float32]


def quantized_graph(
    model: onnx.ModelProto,
    placement: Placement,
    ranges: Mapping[str, TensorRange],
    scheme: Scheme,
    granularity: Granularity = "channel",
    own_scales: Mapping[str, Scales] | None = None,
) -> onnx.ModelProto:
    """The graph with Q/DQ pairs at every tensor of the placement.

    Ranges of tensors that the placement leaves in float are not used; `granularity` is that of weights. Whoever makes
    many graphs of one gives `own_scales`, as of `own_weight_scales`: they take longer than all the rest.

    Raises:
        CalibrationError: a range names a tensor that the graph has not, or one is missing.
    """
    known = tensor_names(model)
    unknown = next((name for name in ranges if name not in known), None)
    if unknown is not None:
        hint = nearest(unknown, list(placement.tensors))
        raise CalibrationError(f"Found a range for {unknown!r}, which is no tensor of this graph.", hint)
    missing = next((name for name in placement.tensors if name not in ranges), None)
    if missing is not None:
        raise CalibrationError(f"Found no range for tensor {missing!r}.", "Calibrate again, or add it to the ranges.")
    view = GraphView(model)
    activations = {name: ranges[name].grid(scheme) for name in placement.tensors}
    constants = {}
    for name in placement.constants:
        value = view.constant(name)
        assert value is not None
        constants[name] = Grid.covering(float(np.min(value)), float(np.max(value)), scheme)
    own = own_weight_scales(view, placement, granularity) if own_scales is None else own_scales
    scales = _with_room(view, own, activations)
    return insert_qdq(model, QuantizationPlan(activations, scales, constants))


def node_weight_scales(
    view: GraphView, placement: Placement, activations: Mapping[str, Grid], granularity: Granularity = "channel"
) -> dict[str, Scales]:
    """Scales of each constant weight, by name of its operator."""
    return _with_room(view, own_weight_scales(view, placement, granularity), activations)


def own_weight_scales(view: GraphView, placement: Placement, granularity: Granularity = "channel") -> dict[str, Scales]:
    """Scales that suit each constant weight by itself, whatever its bias needs, by name of its operator."""
    int8, found = set(placement.int8_nodes), {}
    for node in view.model.graph.node:
        weight = view.constant(node.input[1]) if node.name in int8 and node.op_type in WEIGHTED else None
        if weight is not None:
            found[node.name] = WEIGHT_SCALES[granularity](weight, weight_axis(node, weight.ndim))
    return found


def _with_room(view: GraphView, own: Mapping[str, Scales], activations: Mapping[str, Grid]) -> dict[str, Scales]:
    found = dict(own)
    for node in view.model.graph.node:
        scales, grid = own.get(node.name), activations.get(node.input[0]) if node.input else None
        if scales is None or grid is None or len(node.input) <= 2:
            continue
        bias = view.constant(node.input[2])
        if bias is not None and bias.size % scales.size == 0:
            found[node.name] = with_room_for_bias(scales, bias, grid.scale)
    return found
