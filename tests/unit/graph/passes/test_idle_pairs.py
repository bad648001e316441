from __future__ import annotations

import pytest

from etc_edge.graph.load import check_model, copy_model
from etc_edge.graph.passes.idle_pairs import drop_idle_pairs
from etc_edge.graph.qdq import pairs
from etc_edge.graph.view import GraphView
from tests.quantized_networks import agreement, quantized


def test_what_is_resized_is_not_rounded_first_and_stays_rounded_for_the_addition() -> None:
    model, logits, _ = quantized("resize_half_pixel")
    without = copy_model(model)
    drop_idle_pairs(without)
    check_model(without, "here")
    view = GraphView(without)
    for node in without.graph.node:
        sources = [view.producer.get(name) for name in node.input]
        kinds = [source.op_type for source in sources if source is not None]
        if node.op_type == "Resize" and not node.name.startswith("head_"):
            assert "DequantizeLinear" not in kinds
        if node.op_type == "Add":
            assert kinds == ["DequantizeLinear", "DequantizeLinear"]
    share, difference = agreement(model, without, logits)
    assert share > 0.95
    assert difference < 0.05


@pytest.mark.parametrize(("block", "scheme"), [("relu", "affine"), ("attention", "affine"), ("concat", "symmetric")])
def test_products_of_weight_and_signed_grids_keep_their_pairs(block: str, scheme: str) -> None:
    model = quantized(block, scheme)[0]
    without = copy_model(model)
    drop_idle_pairs(without)
    assert without == model


def test_a_concatenation_with_a_pair_behind_it_rounds_once() -> None:
    model = quantized("concat")[0]
    without = copy_model(model)
    drop_idle_pairs(without)
    view = GraphView(without)
    concatenation = next(node for node in without.graph.node if node.op_type == "Concat")
    # One operand is read by a convolution as well, and keeps its codes.
    assert [view.producer[name].op_type for name in concatenation.input].count("DequantizeLinear") == 1
    assert len(pairs(view)) == len(pairs(GraphView(model))) - 2
