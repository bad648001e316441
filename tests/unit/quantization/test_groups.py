"""Groups: every quantized operator in one, and none without what no pair parts it from."""

from __future__ import annotations

import pytest

from etc_edge.quantization.groups import groups_of
from etc_edge.quantization.placement import place, place_only
from tests.small_networks import BLOCKS, deployed


@pytest.mark.parametrize("block", sorted(BLOCKS))
def test_every_operator_is_in_one_group(block: str) -> None:
    model, logits = deployed(block)
    placement = place(model, logits)
    groups = groups_of(model, placement, logits)
    assert sorted(name for group in groups for name in group.nodes) == sorted(placement.int8_nodes)
    assert sum(group.saved for group in groups) == pytest.approx(1.0)
    assert 0.5 < sum(group.macs for group in groups) <= 1.0


def test_an_activation_goes_with_its_convolution() -> None:
    model, logits = deployed("add")
    groups = groups_of(model, place(model, logits), logits)
    kinds = {node.name: node.op_type for node in model.graph.node}
    assert [[kinds[name] for name in group.nodes] for group in groups] == [
        ["Conv", "Relu"],
        ["Conv", "Relu"],
        ["Conv"],
        ["Add", "Relu"],
        ["Conv"],
    ]


def test_grids_are_those_of_the_placement_and_weights() -> None:
    model, logits = deployed("add")
    placement = place(model, logits)
    kinds = {node.name: node.op_type for node in model.graph.node}
    groups = groups_of(model, placement, logits)
    weights = {
        node.input[1] for node in model.graph.node if node.op_type == "Conv" and node.name in placement.int8_nodes
    }
    assert {name for group in groups for name in group.grids} == {*placement.tensors, *placement.constants, *weights}
    added = next(group for group in groups if kinds[group.nodes[0]] == "Add")
    assert len(added.grids) == 3
    assert all(sum(name in group.grids for group in groups) >= 2 for name in added.grids), "neighbours use each of them"


def test_one_group_alone_is_quantized_though_it_would_not_pay() -> None:
    model, logits = deployed("add")
    whole = place(model, logits)
    for group in groups_of(model, whole, logits):
        alone = place_only(model, logits, frozenset(group.nodes))
        assert alone.int8_nodes == group.nodes
        assert set(alone.tensors) <= set(whole.tensors)
