"""Q/DQ pairs: put into a float graph, and read back from a quantized one.

A quantized activation `t` becomes `t → QuantizeLinear → t_quantized → DequantizeLinear → t_dequantized`, and
every reader of `t` reads `t_dequantized`. A weight becomes an int8 initializer and a DequantizeLinear with one
scale per output channel; a bias an int32 initializer on the grid input scale × weight scale.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from etc_edge.graph.grid import Grid
from etc_edge.graph.load import copy_model, replace_nodes
from etc_edge.graph.view import GraphView, attributes, fresh_name, tensor_names

Array = npt.NDArray[Any]

WEIGHTED = {"Conv": 1, "ConvTranspose": 1, "Gemm": 1, "MatMul": 1}
"""Operators with a weight, and the input that it stands at."""


@dataclass(frozen=True)
class QuantizationPlan:
    """What is to be quantized and how.

    Args:
        activations: grid of each quantized activation, by tensor name.
        weight_scales: float32 scales, one an output channel, by name of the node that holds the weight.
        constants: grid of each quantized constant operand of an addition or multiplication, by tensor name.
    """

    activations: Mapping[str, Grid]
    weight_scales: Mapping[str, Array] = field(default_factory=dict)
    constants: Mapping[str, Grid] = field(default_factory=dict)


def weight_axis(node: onnx.NodeProto, rank: int) -> int:
    """The axis of a weight that counts output channels (the only one of ConvTranspose that ONNX lets be scaled)."""
    if node.op_type == "Conv":
        return 0
    if node.op_type == "ConvTranspose":
        return 1
    if node.op_type == "Gemm" and attributes(node).get("transB", 0):
        return 0
    return rank - 1


def quantize_weight(weight: Array, scales: Array, axis: int) -> npt.NDArray[np.int8]:
    """Signed symmetric codes from −127 to 127; `scales` has one value an entry of `axis`, or one in all."""
    shape = [1] * weight.ndim
    if scales.size > 1:
        shape[axis] = -1
    codes = np.round(weight.astype(np.float64) / scales.astype(np.float64).reshape(shape))
    return np.clip(codes, -127, 127).astype(np.int8)


def insert_qdq(model: onnx.ModelProto, plan: QuantizationPlan) -> onnx.ModelProto:
    """A copy of a float graph with the Q/DQ pairs of a plan."""
    writer = _Writer(copy_model(model), plan)
    return writer.write()


class _Writer:
    def __init__(self, model: onnx.ModelProto, plan: QuantizationPlan) -> None:
        self.model, self.plan = model, plan
        self.view, self.taken = GraphView(model), tensor_names(model)
        self.nodes: list[onnx.NodeProto] = []
        self.dequantized: dict[str, str] = {}
        self.node_names = {node.name for node in model.graph.node}
        self.weights: dict[tuple[str, int, bytes], str] = {}

    def write(self) -> onnx.ModelProto:
        for info in self.view.inputs():
            self._pair(info.name)
        for node in self.model.graph.node:
            copy = onnx.NodeProto()
            copy.CopyFrom(node)
            copy.input[:] = [self.dequantized.get(name, name) for name in node.input]
            if node.name in self.plan.weight_scales:
                self._weight_and_bias(node, copy)
            for position, name in enumerate(node.input):
                if name in self.plan.constants and copy.input[position] == name:
                    copy.input[position] = self._constant(name)
            self.nodes.append(copy)
            for name in node.output:
                self._pair(name)
        replace_nodes(self.model, self.nodes)
        _drop_unread_initializers(self.model)
        return self.model

    def _initializer(self, stem: str, value: Array) -> str:
        name = fresh_name(stem, self.taken)
        self.model.graph.initializer.append(numpy_helper.from_array(np.array(value, order="C"), name))
        return name

    def _grid(self, stem: str, grid: Grid) -> tuple[str, str]:
        zero_point = np.array(grid.zero_point, np.uint8 if grid.unsigned else np.int8)
        scale = np.array(grid.scale, np.float32)
        return self._initializer(f"{stem}_scale", scale), self._initializer(f"{stem}_zero_point", zero_point)

    def _node_name(self, stem: str) -> str:
        return fresh_name(stem, self.node_names)

    def _pair(self, name: str) -> None:
        grid = self.plan.activations.get(name)
        if grid is None:
            return
        scale, zero_point = self._grid(name, grid)
        codes, real = fresh_name(f"{name}_quantized", self.taken), fresh_name(f"{name}_dequantized", self.taken)
        quantize, dequantize = self._node_name(f"{name}_q"), self._node_name(f"{name}_dq")
        self.nodes.append(helper.make_node("QuantizeLinear", [name, scale, zero_point], [codes], name=quantize))
        self.nodes.append(helper.make_node("DequantizeLinear", [codes, scale, zero_point], [real], name=dequantize))
        self.dequantized[name] = real

    def _constant(self, name: str) -> str:
        if name not in self.dequantized:
            grid, value = self.plan.constants[name], self.view.constant(name)
            assert value is not None
            scale, zero_point = self._grid(name, grid)
            codes = np.clip(np.round(value / grid.scale) + grid.zero_point, grid.low_code, grid.high_code)
            stored = self._initializer(f"{name}_quantized", codes.astype(np.uint8 if grid.unsigned else np.int8))
            self.dequantized[name] = self._dequantize(name, stored, scale, zero_point, None)
        return self.dequantized[name]

    def _weight_and_bias(self, node: onnx.NodeProto, copy: onnx.NodeProto) -> None:
        position = WEIGHTED[node.op_type]
        name, scales = node.input[position], np.asarray(self.plan.weight_scales[node.name], np.float32)
        weight = self.view.constant(name)
        assert weight is not None
        axis = weight_axis(node, weight.ndim)
        copy.input[position] = self._weight(name, weight, scales, axis)
        activation = self.plan.activations.get(node.input[0])
        bias = self.view.constant(node.input[2]) if len(node.input) > 2 and node.input[2] else None
        if activation is not None and bias is not None and bias.ndim == 1:
            bias_scales = (np.float64(activation.scale) * scales.astype(np.float64)).astype(np.float32)
            if node.op_type == "ConvTranspose" and scales.size > 1:
                # Its weight has the output channels of one group, which all groups share the scales of.
                bias_scales = np.tile(bias_scales, attributes(node).get("group", 1))
            limit = 2**31 - 1
            codes = np.clip(np.round(bias.astype(np.float64) / bias_scales), -limit, limit).astype(np.int32)
            stem = f"{node.input[2]}_of_{node.name}"
            stored = self._initializer(f"{stem}_quantized", codes)
            scale = self._initializer(f"{stem}_scale", bias_scales if scales.size > 1 else bias_scales.reshape(()))
            zero_point = self._initializer(
                f"{stem}_zero_point", np.zeros(bias_scales.shape if scales.size > 1 else (), np.int32)
            )
            copy.input[2] = self._dequantize(stem, stored, scale, zero_point, 0 if scales.size > 1 else None)

    def _weight(self, name: str, weight: Array, scales: Array, axis: int) -> str:
        key = (name, axis, scales.tobytes())
        if key not in self.weights:
            per_channel = scales.size > 1
            stored = self._initializer(f"{name}_quantized", quantize_weight(weight, scales, axis))
            scale = self._initializer(f"{name}_scale", scales if per_channel else scales.reshape(()))
            zero_point = self._initializer(f"{name}_zero_point", np.zeros(scales.shape if per_channel else (), np.int8))
            self.weights[key] = self._dequantize(name, stored, scale, zero_point, axis if per_channel else None)
        return self.weights[key]

    def _dequantize(self, stem: str, codes: str, scale: str, zero_point: str, axis: int | None) -> str:
        real = fresh_name(f"{stem}_dequantized", self.taken)
        name = self._node_name(f"{stem}_dq")
        node = helper.make_node("DequantizeLinear", [codes, scale, zero_point], [real], name=name)
        if axis is not None:
            node.attribute.append(helper.make_attribute("axis", axis))
        self.nodes.append(node)
        return real


def _drop_unread_initializers(model: onnx.ModelProto) -> None:
    read = {name for node in model.graph.node for name in node.input} | {info.name for info in model.graph.output}
    kept = [tensor for tensor in model.graph.initializer if tensor.name in read]
    if len(kept) < len(model.graph.initializer):
        copies = [TensorProto.FromString(tensor.SerializeToString()) for tensor in kept]
        del model.graph.initializer[:]
        model.graph.initializer.extend(copies)


@dataclass(frozen=True)
class Pair:
    """One activation's Q/DQ pair as it stands in a graph."""

    tensor: str
    grid: Grid
    quantize: onnx.NodeProto
    dequantize: onnx.NodeProto


def pairs(view: GraphView) -> list[Pair]:
    """Every activation's Q/DQ pair of a quantized graph, in the order of the graph."""
    found = []
    for node in view.model.graph.node:
        if node.op_type != "QuantizeLinear":
            continue
        readers = view.consumers.get(node.output[0], [])
        if len(readers) == 1 and readers[0].op_type == "DequantizeLinear":
            found.append(Pair(node.input[0], grid_of(view, node), node, readers[0]))
    return found


def grid_of(view: GraphView, node: onnx.NodeProto) -> Grid:
    """The per-tensor grid of a QuantizeLinear or DequantizeLinear node."""
    scale, zero_point = view.constant(node.input[1]), view.constant(node.input[2])
    assert scale is not None
    assert zero_point is not None
    return Grid(float(scale.reshape(-1)[0]), int(zero_point.reshape(-1)[0]), unsigned=zero_point.dtype == np.uint8)
