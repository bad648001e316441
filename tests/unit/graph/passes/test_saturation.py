from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from etc_edge.graph.grid import Grid
from etc_edge.graph.load import check_model, copy_model
from etc_edge.graph.passes.saturation import drop_saturated_activations
from etc_edge.graph.passes.unsigned_codes import shift_to_unsigned
from etc_edge.graph.qdq import QuantizationPlan, insert_qdq
from tests.quantized_networks import quantized, unseen_frame
from tests.small_networks import BLOCKS, Builder, labels_and_logits, run


@pytest.mark.parametrize("scheme", ["affine", "symmetric"])
@pytest.mark.parametrize("block", BLOCKS)
def test_numbers_are_the_same_to_the_last_bit(block: str, scheme: Any) -> None:
    model, logits, _ = quantized(block, scheme)
    dropped = copy_model(model)
    shift_to_unsigned(dropped)
    drop_saturated_activations(dropped)
    check_model(dropped, "here")
    frame = unseen_frame()
    labels, values = labels_and_logits(model, logits, frame)
    other_labels, other_values = labels_and_logits(dropped, logits, frame)
    assert np.array_equal(values, other_values)
    assert np.array_equal(labels, other_labels)
    if block in ("relu", "relu6", "add", "dilated", "depthwise", "transposed") and scheme == "affine":
        assert not {"Relu", "Clip"} & {node.op_type for node in dropped.graph.node}


@pytest.mark.parametrize(
    ("low", "high", "dropped"),
    [
        (0.0, 6.0, True),
        (0.0, 5.0, True),  # the grid ends before the activation does
        (0.0, 6.01, True),  # less than half a step beyond
        (0.0, 6.2, False),
        (-0.5, 6.0, False),
    ],
)
def test_an_activation_goes_only_where_saturation_does_its_work(low: float, high: float, dropped: bool) -> None:
    build = Builder()
    model = build.model(build.clip("image", 0, 6), 3)
    pair = insert_qdq(model, QuantizationPlan({model.graph.node[0].output[0]: Grid.covering(low, high, "affine")}))
    # The pair's result has no reader in a graph this small; make it the output.
    pair.graph.output[0].name = pair.graph.node[-1].output[0]
    without = copy_model(pair)
    drop_saturated_activations(without)
    assert ("Clip" not in {node.op_type for node in without.graph.node}) == dropped
    image = {"image": np.linspace(-9, 9, 3 * 32 * 48, dtype=np.float32).reshape(1, 3, 32, 48)}
    output = [pair.graph.output[0].name]
    assert np.array_equal(run(pair, image, output)[0], run(without, image, output)[0])


def test_an_activation_that_something_else_reads_stays() -> None:
    build = Builder()
    active = build.node("Relu", "image")
    model = build.model(build.node("Add", active, build.node("Neg", active)), 3)
    pair = insert_qdq(model, QuantizationPlan({active: Grid.covering(0, 6, "affine")}))
    for node in pair.graph.node:
        if node.op_type == "Neg":
            node.input[0] = active
    drop_saturated_activations(pair)
    assert "Relu" in {node.op_type for node in pair.graph.node}
