"""Channels that are always zero, with weights that make those of padded convolutions sum to zero at every tap."""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from etc_edge.graph.load import replace_nodes
from etc_edge.graph.operations import node_macs
from etc_edge.graph.shiftable import (
    Shiftable,
    exact_at_borders,
    has_bias,
    real_weight,
    shiftable_pairs,
    sums_of_taps,
)
from etc_edge.graph.view import GraphView, fresh_name, tensor_names
from etc_edge.graph.widening import Widening, widening

MULTIPLE = 16
"""Channels are added so many at a time: what tensor cores want of INT8 layers (TensorRT's guide, "Optimizing for
Tensor Cores")."""

LARGEST_SHARE = 0.04
"""Of a network's multiply-adds that one tensor's channels may add."""

LARGEST_CODE = 127


def balance_with_constant_channels(model: onnx.ModelProto) -> None:
    """Widen what padded convolutions read by channels of zeros, in place, so that `shift_to_signed` is exact there.

    The convolution that writes a rectified activation gets outputs with weight 0 and a bias that the rectifier makes 0.
    Those that read it get weights for them that bring the sum of each tap to zero. The network computes what it did,
    since nothing is added to any sum. Once all codes are lowered by 128, the new channels hold −128 inside and, as
    every channel, 0 in the border: what they contribute is just what the lowered codes lack. Convolutions make them, so
    that chains of INT8 stay whole.

    Additions grow with their operands; one whose result cannot grow reads a slice.
    """
    refused: set[str] = set()
    while True:
        view = GraphView(model)
        found = next((one for one in _unbalanced(view) if one.pair.tensor not in refused), None)
        if found is None:
            return
        plan = widening(view, found.pair.tensor)
        added = _channels_needed(view, plan) if plan is not None else 0
        refused.add(found.pair.tensor)
        if plan is not None and added and _added_share(view, plan, added) <= LARGEST_SHARE:
            _Widener(model, view, plan, added).widen()


def _unbalanced(view: GraphView) -> Iterable[Shiftable]:
    for found in shiftable_pairs(view):
        if not all(exact_at_borders(view, node) for node in found.convolutions):
            yield found


def _channels_needed(view: GraphView, plan: Widening) -> int:
    sums = [sums_of_taps(view, node) for node in plan.readers if not exact_at_borders(view, node)]
    largest = max((int(np.abs(values).max()) for values in sums if values is not None), default=0)
    return MULTIPLE * ceil(largest / LARGEST_CODE / MULTIPLE)


def _added_share(view: GraphView, plan: Widening, added: int) -> float:
    """Multiply-adds that are added, as a fraction of those of the network."""
    total = sum(node_macs(view, node) for node in view.model.graph.node)
    outputs = sum(node_macs(view, node) / view.static_shape(node.output[0])[1] for node in plan.writers)
    inputs = sum(node_macs(view, node) / view.static_shape(node.input[0])[1] for node in plan.readers)
    return added * (outputs + inputs) / max(1, total)


class _Widener:
    def __init__(self, model: onnx.ModelProto, view: GraphView, plan: Widening, added: int) -> None:
        self.model, self.view, self.plan, self.added = model, view, plan, added
        self.taken, self.names = tensor_names(model), {node.name for node in model.graph.node}
        self.before: dict[str, list[onnx.NodeProto]] = {}
        rectified = [one for one in shiftable_pairs(view) if one.rectifier is not None]
        # By a whole grid below zero, so that no rounding on the way lifts it.
        self.lowest = {
            one.writer.name: -256.0 * one.pair.grid.scale for one in rectified if one.pair.tensor in plan.tensors
        }

    def widen(self) -> None:
        for node in self.plan.writers:
            self._add_outputs(node)
        for node in self.plan.readers:
            self._add_inputs(node)
        for name, addition in self.plan.cuts:
            self._read_a_slice(name, addition)
        nodes = [each for node in self.model.graph.node for each in (*self.before.get(node.name, ()), node)]
        replace_nodes(self.model, nodes)
        # Shapes that were known hold no longer.
        del self.model.graph.value_info[:]

    def _add_outputs(self, node: onnx.NodeProto) -> None:
        channels = self._append_weight(node, 0, None)
        bias = self.view.constant(node.input[2]) if has_bias(node) else np.zeros(channels)
        assert bias is not None
        lowest = np.full(self.added, self.lowest.get(node.name, 0.0))
        name = self._initializer(f"{node.name}_bias_wide", np.concatenate([bias, lowest]).astype(np.float32))
        node.input[:] = [*node.input[:2], name]

    def _add_inputs(self, node: onnx.NodeProto) -> None:
        sums = None if exact_at_borders(self.view, node) else sums_of_taps(self.view, node)
        self._append_weight(node, 1, None if sums is None else _balancing(sums, self.added))

    def _append_weight(self, node: onnx.NodeProto, axis: int, added: npt.NDArray[np.int8] | None) -> int:
        """Append to a weight along an axis, zeros if nothing is given; returns its output channels before that."""
        stem, producer = f"{node.name}_weight_wide", self.view.producer.get(node.input[1])
        quantized = producer is not None and producer.op_type == "DequantizeLinear"
        stored = self.view.constant(producer.input[0]) if producer is not None and quantized else None
        if stored is None or producer is None:
            stored, producer = real_weight(self.view, node), None
        assert stored is not None
        shape = [self.added if place == axis else size for place, size in enumerate(stored.shape)]
        more = np.zeros(shape, stored.dtype) if added is None else added
        name = self._initializer(stem, np.concatenate([stored, more], axis))
        if producer is not None:
            scale, zero_point = (self.view.constant(name) for name in producer.input[1:3])
            assert scale is not None
            assert zero_point is not None
            if axis == 0 and scale.size > 1:
                # Codes of 0 are exact on any scale.
                scale = np.append(scale, np.full(self.added, np.median(scale), scale.dtype))
                zero_point = np.append(zero_point, np.zeros(self.added, zero_point.dtype))
            name = self._dequantize(node, stem, name, scale, zero_point)
        node.input[1] = name
        return len(stored)

    def _dequantize(
        self, node: onnx.NodeProto, stem: str, codes: str, scale: npt.NDArray[Any], zero_point: npt.NDArray[Any]
    ) -> str:
        inputs = [codes, self._initializer(f"{stem}_scale", scale), self._initializer(f"{stem}_zero_point", zero_point)]
        real = fresh_name(f"{stem}_dequantized", self.taken)
        options: dict[str, Any] = {"axis": 0} if scale.size > 1 else {}
        made = helper.make_node(
            "DequantizeLinear", inputs, [real], name=fresh_name(f"{stem}_dq", self.names), **options
        )
        self.view.producer[real] = made
        self.before.setdefault(node.name, []).append(made)
        return real

    def _read_a_slice(self, name: str, addition: onnx.NodeProto) -> None:
        channels = self.view.static_shape(name)[1]
        stem = fresh_name(f"{name}_without_constants", self.taken)
        limits = [self._initializer(f"{stem}_{what}", np.array([value])) for what, value in _slice_of(channels)]
        made = helper.make_node("Slice", [name, *limits], [stem], name=fresh_name(stem, self.names))
        self.before.setdefault(addition.name, []).append(made)
        addition.input[:] = [stem if operand == name else operand for operand in addition.input]

    def _initializer(self, stem: str, value: npt.NDArray[Any]) -> str:
        name = fresh_name(stem, self.taken)
        self.model.graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        self.view.add_initializer(self.model.graph.initializer[-1])
        return name


def _slice_of(channels: int) -> list[tuple[str, int]]:
    return [("from", 0), ("to", channels), ("axis", 1)]


def _balancing(sums: npt.NDArray[np.int64], channels: int) -> npt.NDArray[np.int8]:
    """Codes (output channels, `channels`, taps…) whose sum over the second axis is −`sums`."""
    left, found = -sums, []
    for _ in range(channels):
        found.append(np.clip(left, -LARGEST_CODE, LARGEST_CODE))
        left = left - found[-1]
    return np.stack(found, axis=1).astype(np.int8)
