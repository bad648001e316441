from __future__ import annotations

import pytest

from etc_edge.graph.load import check_model, copy_model
from etc_edge.graph.passes.fused_pairs import ELEMENTWISE, drop_fused_pairs
from etc_edge.graph.qdq import WEIGHTED, pairs
from etc_edge.graph.view import GraphView
from tests.quantized_networks import agreement, quantized
from tests.small_networks import BLOCKS, deployed


@pytest.mark.parametrize("block", BLOCKS)
def test_only_rounding_changes(block: str) -> None:
    model, logits, _ = quantized(block)
    dropped = copy_model(model)
    drop_fused_pairs(dropped)
    check_model(dropped, "here")
    share, difference = agreement(model, dropped, logits)
    assert share > 0.95
    assert difference < 0.1
    # What is rounded less often is nearer the float network, or as near.
    floating = deployed(block)[0]
    assert agreement(floating, dropped, logits)[0] >= agreement(floating, model, logits)[0] - 0.01


@pytest.mark.parametrize("block", BLOCKS)
def test_pairs_go_only_from_between_an_operator_and_its_elementwise_reader(block: str) -> None:
    model, _, _ = quantized(block)
    view, dropped = GraphView(model), copy_model(model)
    drop_fused_pairs(dropped)
    left = {pair.tensor for pair in pairs(GraphView(dropped))}
    gone = [pair for pair in pairs(view) if pair.tensor not in left]
    for pair in gone:
        readers = view.consumers[pair.dequantize.output[0]]
        assert view.producer[pair.tensor].op_type in {*WEIGHTED, *ELEMENTWISE}
        assert [reader.op_type in ELEMENTWISE for reader in readers] == [True]
    readers_of_gone = [view.consumers[pair.dequantize.output[0]][0].name for pair in gone]
    assert len(set(readers_of_gone)) == len(readers_of_gone), "an operator with two operands keeps one pair"


@pytest.mark.parametrize("block", ["prelu", "leaky_relu", "hard_swish", "multiply", "add"])
def test_a_convolution_and_what_follows_it_become_one(block: str) -> None:
    model, _, _ = quantized(block)
    dropped = copy_model(model)
    drop_fused_pairs(dropped)
    assert len(pairs(GraphView(dropped))) < len(pairs(GraphView(model)))
