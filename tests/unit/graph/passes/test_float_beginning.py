from __future__ import annotations

import onnx
import pytest

from etc_edge.graph.grid import Grid, Scheme
from etc_edge.graph.int8_chains import int8_chains
from etc_edge.graph.load import check_model, copy_model
from etc_edge.graph.operations import node_macs
from etc_edge.graph.passes.float_beginning import LARGEST_SHARE, keep_beginning_in_float
from etc_edge.graph.qdq import QuantizationPlan, insert_qdq, pairs
from etc_edge.graph.view import GraphView
from etc_edge.quantization.placement import Placement
from etc_edge.quantization.quantize import own_weight_scales
from tests.quantized_networks import quantized
from tests.small_networks import BLOCKS, Builder


def growing(scheme: Scheme = "affine") -> onnx.ModelProto:
    """A thin stem and a pooling, a middle of a few per cent, and two wide convolutions that are nearly all the work."""
    build = Builder()
    stem = build.node("Relu", build.conv("image", 4, kernel=1))
    pooled = build.node("MaxPool", stem, kernel_shape=[2, 2], strides=[2, 2])
    thin = build.node("Relu", build.conv(pooled, 16))
    wide = build.node("Relu", build.conv(thin, 96, kernel=1))
    wider = build.node("Relu", build.conv(wide, 96))
    model = build.model(build.conv(wider, kernel=1, channels=5))
    tensors = ("image", stem, pooled, thin, wide, wider)
    grids = {name: Grid.covering(-1.0 if name == "image" else 0.0, 4.0, scheme) for name in tensors}
    nodes = tuple(node.name for node in model.graph.node)
    scales = own_weight_scales(GraphView(model), Placement(nodes, {}, tensors, {}, ()))
    return insert_qdq(model, QuantizationPlan(grids, scales))


def beginning(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = copy_model(model)
    keep_beginning_in_float(copy)
    check_model(copy, "here")
    return copy


def macs_that_read_codes(model: onnx.ModelProto) -> int:
    """Multiply-adds of convolutions that read what a DequantizeLinear gives."""
    view = GraphView(model)
    readers = [reader for pair in pairs(view) for reader in view.consumers[pair.dequantize.output[0]]]
    return sum(node_macs(view, node) for node in readers)


def test_the_first_pairs_go_as_far_as_the_share_reaches() -> None:
    model = growing()
    left = beginning(model)
    before, after = ([pair.tensor for pair in pairs(GraphView(graph))] for graph in (model, left))
    gone = before[: len(before) - len(after)]
    assert before[len(gone) :] == after
    assert [name.split("_")[0] for name in gone] == ["image", "relu", "maxpool", "relu"]
    view = GraphView(left)
    total = sum(node_macs(view, node) for node in left.graph.node)
    floating = total - macs_that_read_codes(left)
    assert 0 < floating <= LARGEST_SHARE * total


def test_weights_of_what_becomes_float_are_constants() -> None:
    left = beginning(growing())
    view = GraphView(left)
    convolutions = [node for node in left.graph.node if node.op_type == "Conv"]
    assert [view.is_constant(node.input[1]) for node in convolutions] == [True, True, True, False, False]


def test_a_network_with_signed_grids_stays_as_it_was_trained() -> None:
    model = growing("symmetric")
    assert beginning(model) == model


@pytest.mark.parametrize("block", BLOCKS)
def test_a_beginning_that_is_much_of_the_work_stays_in_int8(block: str) -> None:
    model = quantized(block)[0]
    assert int8_chains(beginning(model)).int8_macs == int8_chains(model).int8_macs
