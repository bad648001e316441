from __future__ import annotations

import onnx
import pytest

from etc_edge.graph.grid import Grid
from etc_edge.graph.int8_chains import int8_chains
from etc_edge.graph.load import check_model, copy_model
from etc_edge.graph.operations import node_macs
from etc_edge.graph.passes.float_beginning import LARGEST_SHARE
from etc_edge.graph.passes.float_depthwise import keep_coarse_depthwise_in_float
from etc_edge.graph.qdq import QuantizationPlan, insert_qdq, pairs
from etc_edge.graph.view import GraphView
from etc_edge.quantization.placement import Placement
from etc_edge.quantization.quantize import own_weight_scales
from tests.small_networks import Builder

UNSIGNED = Grid(2.0**-5, 0, unsigned=True)


def separable(grid: Grid = UNSIGNED) -> tuple[onnx.ModelProto, list[str]]:
    """A wide convolution and four blocks of a depthwise and a wide one; the rectified inputs of the depthwise ones."""
    build = Builder()
    current, inputs, grids = build.node("Relu", build.conv("image", 64, kernel=1)), list[str](), dict[str, Grid]()
    for _ in range(4):
        inputs.append(current)
        grids[current] = grid
        thin = build.node("Relu", build.conv(current, 64, group=64))
        grids[thin] = grid
        current = build.node("Relu", build.conv(thin, 64, kernel=1))
    grids["image"] = grids[current] = grid
    model = build.model(build.conv(current, 5, kernel=1))
    nodes = tuple(node.name for node in model.graph.node)
    scales = own_weight_scales(GraphView(model), Placement(nodes, {}, tuple(grids), {}, ()))
    return insert_qdq(model, QuantizationPlan(grids, scales)), inputs


def with_some_in_float(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = copy_model(model)
    keep_coarse_depthwise_in_float(copy)
    check_model(copy, "here")
    return copy


def test_the_first_depthwise_convolutions_go_as_far_as_the_share_reaches(monkeypatch: pytest.MonkeyPatch) -> None:
    model, inputs = separable()
    view = GraphView(model)
    total = sum(node_macs(view, node) for node in model.graph.node)
    depthwise = 3 * 3 * 64 * 32 * 48
    monkeypatch.setattr("etc_edge.graph.passes.float_depthwise.LARGEST_SHARE", 2.5 * depthwise / total)
    left = with_some_in_float(model)
    gone = {pair.tensor for pair in pairs(view)} - {pair.tensor for pair in pairs(GraphView(left))}
    assert gone == set(inputs[:2])
    assert int8_chains(left).total_macs == total


def test_float_work_never_passes_the_share() -> None:
    left = with_some_in_float(separable()[0])
    view = GraphView(left)
    readers = {node.name for pair in pairs(view) for node in view.consumers[pair.dequantize.output[0]]}
    floating = sum(node_macs(view, node) for node in left.graph.node if node.name not in readers)
    assert floating <= LARGEST_SHARE * sum(node_macs(view, node) for node in left.graph.node)


def test_signed_grids_stay_as_they_were_trained() -> None:
    model, _ = separable(Grid(2.0**-5, 0, unsigned=False))
    assert with_some_in_float(model) == model
