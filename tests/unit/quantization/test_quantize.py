"""From ranges to grids: every range where it belongs, and channels that training switched off keep their bias."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import numpy_helper

from etc_edge.core.errors import CalibrationError
from etc_edge.graph.grid import Grid, Scheme
from etc_edge.graph.load import check_model, copy_model
from etc_edge.graph.qdq import pairs
from etc_edge.graph.view import GraphView
from etc_edge.quantization.calibrate import choose_ranges, observe
from etc_edge.quantization.observers.minmax import minmax
from etc_edge.quantization.placement import place
from etc_edge.quantization.quantize import quantized_graph
from etc_edge.quantization.ranges import TensorRange
from tests.quantized_networks import unseen_frame
from tests.small_networks import deployed, frames, labels_and_logits


def ranges_of(block: str) -> tuple[Any, Any, dict[str, TensorRange]]:
    model, logits = deployed(block)
    placement = place(model, logits)
    names = [name for name in placement.tensors if name not in placement.shared]
    statistics = observe(model, names, frames(2), threads=1)
    return model, placement, choose_ranges(statistics, placement, minmax, "affine")


@pytest.mark.parametrize("scheme", ["affine", "symmetric"])
def test_every_tensor_gets_the_grid_of_its_range(scheme: Scheme) -> None:
    model, placement, ranges = ranges_of("concat")
    edited = ranges | {placement.tensors[2]: TensorRange(-0.125, 0.5)}
    found = {pair.tensor: pair.grid for pair in pairs(GraphView(quantized_graph(model, placement, edited, scheme)))}
    assert found == {name: Grid.covering(span.low, span.high, scheme) for name, span in edited.items()}


def test_an_edited_range_saturates_what_lies_outside() -> None:
    model, placement, ranges = ranges_of("relu")
    last = next(name for name in reversed(placement.tensors) if name.startswith("relu"))
    edited = ranges | {last: TensorRange(0.0, ranges[last].high / 8)}
    frame, logits = unseen_frame(), deployed("relu")[1]
    as_found, saturated = (
        labels_and_logits(quantized_graph(model, placement, spans, "affine"), logits, frame)[1]
        for spans in (ranges, edited)
    )
    assert np.abs(saturated - as_found).max() > 0.1 * np.abs(as_found).max()


def test_ranges_that_do_not_fit_the_graph() -> None:
    model, placement, ranges = ranges_of("relu")
    name = placement.tensors[1]
    with pytest.raises(CalibrationError, match=f"Found a range for '{name}x', which is no tensor") as error:
        quantized_graph(model, placement, {f"{name}x": TensorRange(0, 1), **ranges}, "affine")
    assert error.value.hint == f"Did you mean {name!r}?"
    less = {key: value for key, value in ranges.items() if key != name}
    with pytest.raises(CalibrationError, match=f"Found no range for tensor '{name}'"):
        quantized_graph(model, placement, less, "affine")


def test_ranges_serve_for_a_part_of_the_network() -> None:
    model, placement, ranges = ranges_of("concat")
    kept = next(node.name for node in model.graph.node if node.op_type == "Concat")
    smaller = place(model, deployed("concat")[1], frozenset([kept]))
    assert len(smaller.int8_nodes) < len(placement.int8_nodes)
    check_model(quantized_graph(model, smaller, ranges, "affine"), "here")


@pytest.mark.parametrize("scheme", ["affine", "symmetric"])
@pytest.mark.parametrize("strength", [0.0, 1e-30, 1e-9, 1e-6])
def test_a_channel_that_is_switched_off_keeps_its_bias(strength: float, scheme: Scheme) -> None:
    """Batch norm that training has turned down leaves weights of next to nothing beside a bias of common size."""
    model = copy_model(deployed("relu")[0])
    last = [node for node in model.graph.node if node.op_type == "Conv"][-1]
    body = [node for node in model.graph.node if node.op_type == "Conv"][-2]
    for tensor in model.graph.initializer:
        if tensor.name in (last.input[1], body.input[1]):
            weight = numpy_helper.to_array(tensor) * np.float32(strength)
            tensor.CopyFrom(numpy_helper.from_array(weight, tensor.name))
    logits = deployed("relu")[1]
    placement = place(model, logits)
    statistics = observe(model, [name for name in placement.tensors if name not in placement.shared], frames(2))
    ranges = choose_ranges(statistics, placement, minmax, scheme)
    _, expected = labels_and_logits(model, logits, unseen_frame())
    _, found = labels_and_logits(quantized_graph(model, placement, ranges, scheme), logits, unseen_frame())
    assert np.abs(found - expected).max() <= 0.02 * np.abs(expected).max()


@pytest.mark.parametrize("scheme", ["affine", "symmetric"])
def test_a_tensor_that_is_always_zero_changes_nothing(scheme: Scheme) -> None:
    """A rectifier that nothing passes: its reader still gives its bias."""
    model = copy_model(deployed("relu")[0])
    body = [node for node in model.graph.node if node.op_type == "Conv"][-2]
    for tensor in model.graph.initializer:
        if tensor.name == body.input[2]:
            tensor.CopyFrom(numpy_helper.from_array(np.full(32, -1e3, np.float32), tensor.name))
    logits = deployed("relu")[1]
    placement = place(model, logits)
    statistics = observe(model, [name for name in placement.tensors if name not in placement.shared], frames(2))
    ranges = choose_ranges(statistics, placement, minmax, scheme)
    assert TensorRange(0.0, 0.0) in ranges.values()
    _, expected = labels_and_logits(model, logits, unseen_frame())
    _, found = labels_and_logits(quantized_graph(model, placement, ranges, scheme), logits, unseen_frame())
    assert np.abs(found - expected).max() <= 1e-3 * np.abs(expected).max()
