"""ONNX Runtime's integer operators give what the Q/DQ graph says, but for sums that fall on a rounding edge."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from etc_edge.core.environment import byte_products_saturate
from etc_edge.graph.load import check_model, copy_model
from etc_edge.graph.passes.integer_operators import fuse_integer_operators
from etc_edge.graph.passes.saturation import drop_saturated_activations
from etc_edge.graph.passes.unsigned_codes import shift_to_unsigned
from etc_edge.graph.passes.unsigned_weights import shift_weights_to_unsigned
from tests.quantized_networks import agreement, quantized
from tests.small_networks import BLOCKS, deployed

# What each block must run in integers. PRelu, HardSwish, HardSigmoid, Resize and ConvTranspose have no integer
# operator for ONNX Runtime's CPU.
EXPECTED = {
    "relu": {"QLinearConv": 3},
    "relu6": {"QLinearConv": 3},
    "sigmoid_gate": {"QLinearConv": 3, "QLinearGlobalAveragePool": 1, "QLinearSigmoid": 1, "QLinearMul": 1},
    "add": {"QLinearConv": 3, "QLinearAdd": 1},
    "add_constant": {"QLinearConv": 2, "QLinearAdd": 1},
    "multiply": {"QLinearConv": 3, "QLinearMul": 1},
    "concat": {"QLinearConv": 3, "QLinearConcat": 1, "MaxPool": 1},
    "max_pool": {"QLinearConv": 2, "MaxPool": 1},
    "average_pool": {"QLinearConv": 2, "QLinearAveragePool": 1},
    "average_pool_padded": {"QLinearConv": 2, "QLinearAveragePool": 1},
    "average_pool_uncounted": {"QLinearConv": 2, "QLinearAveragePool": 1},
    "leaky_relu": {"QLinearConv": 3, "QLinearLeakyRelu": 1},
    "depthwise": {"QLinearConv": 3},
    "dilated": {"QLinearConv": 3},
    "grouped": {"QLinearConv": 3},
    "matmul": {"QLinearConv": 2, "QLinearMatMul": 2},
    "attention": {"QLinearConv": 2, "QLinearMatMul": 2, "QLinearMul": 1, "Reshape": 2, "Transpose": 2},
    "slice": {"QLinearConv": 3, "Slice": 2, "QLinearConcat": 1},
}


@pytest.mark.parametrize("scheme", ["affine", "symmetric"])
@pytest.mark.parametrize("block", BLOCKS)
def test_labels_are_the_same_but_for_rounding_edges(block: str, scheme: Any) -> None:
    model, logits, _ = quantized(block, scheme)
    fused = copy_model(model)
    shift_to_unsigned(fused)
    if byte_products_saturate():
        shift_weights_to_unsigned(fused)
    drop_saturated_activations(fused)
    fuse_integer_operators(fused)
    check_model(fused, "here")
    share, difference = agreement(model, fused, logits)
    assert share >= 0.995
    assert difference < 0.03 if block != "attention" else difference < 0.08  # three products in a row
    if block in EXPECTED and scheme == "affine":
        found = Counter(node.op_type for node in fused.graph.node)
        assert {kind: found[kind] for kind in EXPECTED[block]} == EXPECTED[block]


def test_a_float_graph_stays_as_it_is() -> None:
    model = deployed("relu")[0]
    same = copy_model(model)
    fuse_integer_operators(same)
    assert list(same.graph.node) == list(model.graph.node)
