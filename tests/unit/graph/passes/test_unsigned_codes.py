from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, numpy_helper

from etc_edge.graph.load import check_model, copy_model
from etc_edge.graph.passes.unsigned_codes import shift_to_unsigned
from etc_edge.graph.qdq import pairs
from etc_edge.graph.view import GraphView
from tests.quantized_networks import quantized, unseen_frame
from tests.small_networks import BLOCKS, labels_and_logits


@pytest.mark.parametrize("block", BLOCKS)
def test_numbers_are_the_same_to_the_last_bit(block: str) -> None:
    model, logits, _ = quantized(block, "symmetric")
    shifted = copy_model(model)
    shift_to_unsigned(shifted)
    check_model(shifted, "here")
    frame = unseen_frame()
    labels, values = labels_and_logits(model, logits, frame)
    other_labels, other_values = labels_and_logits(shifted, logits, frame)
    assert np.array_equal(values, other_values)
    assert np.array_equal(labels, other_labels)


@pytest.mark.parametrize("block", BLOCKS)
def test_every_activation_is_unsigned_and_every_weight_signed(block: str) -> None:
    model = copy_model(quantized(block, "symmetric")[0])
    shift_to_unsigned(model)
    assert all(pair.grid.unsigned and pair.grid.zero_point == 128 for pair in pairs(GraphView(model)))
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    kinds = {
        stored[node.input[0]].data_type
        for node in model.graph.node
        if node.op_type == "DequantizeLinear" and node.input[0] in stored and stored[node.input[0]].dims
    }
    constants = {"add_constant", "attention"}
    assert kinds - {TensorProto.INT8, TensorProto.INT32} <= ({TensorProto.UINT8} if block in constants else set())


def test_unsigned_graphs_stay_as_they_are() -> None:
    model = quantized("relu", "affine")[0]
    same = copy_model(model)
    shift_to_unsigned(same)
    assert same == model


def test_codes_are_higher_by_128() -> None:
    model = quantized("add_constant", "symmetric")[0]
    shifted = copy_model(model)
    shift_to_unsigned(shifted)
    before = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    after = {tensor.name: numpy_helper.to_array(tensor) for tensor in shifted.graph.initializer}
    moved = [name for name in after if name.endswith("_quantized_unsigned")]
    assert moved
    for name in moved:
        original = before[name.removesuffix("_unsigned")]
        assert np.array_equal(after[name].astype(int), original.astype(int) + 128)
