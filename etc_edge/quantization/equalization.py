"""Equalisation: every channel of an activation gets a like share of the 8 bits that the whole tensor has.

A channel of a tensor may be divided by a factor where the operator that makes it and those that read it are linear
in that channel: the producer's weights are divided, the readers' multiplied, and the network computes what it did
(Nagel et al., "Data-free quantization through weight equalization and bias correction", ICCV 2019). Additions,
concatenations, pooling, resizing and rectifiers pass factors on, so they tie channels of several tensors together.
ReLU6 is no obstacle either: of a channel that never reaches 6 the bound may come down to what it does reach.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from etc_edge.graph.bounds import activation_bounds
from etc_edge.graph.load import copy_model
from etc_edge.graph.preprocess import NORMALISE
from etc_edge.graph.view import GraphView, attributes, fresh_name, tensor_names

Array = npt.NDArray[Any]
Factors = dict[str, npt.NDArray[np.float32]]

CONVOLUTIONS = frozenset({"Conv", "ConvTranspose"})
PASSING = frozenset({"Relu", "LeakyRelu", "PRelu", "MaxPool", "AveragePool", "GlobalAveragePool", "Resize", "Clip"})

BALANCE = 0.5
"""How a factor is shared between the activation's channels (1) and the columns of the weights that read it (0)."""

LEAST_FACTOR = 1 / 64
FIXED = 0


def equalization_factors(model: onnx.ModelProto, peaks: Mapping[str, Array]) -> Factors:
    """What to divide the channels of each tensor by.

    Args:
        model: a deployed float graph.
        peaks: largest magnitude seen in each channel, (channels,), by name of the activations to be quantized.

    Returns:
        float32 (channels,) by tensor name, in (0, 1]; tensors that stay as they are left out.
    """
    ties = _Ties(GraphView(model))
    return ties.factors(peaks)


def apply_factors(model: onnx.ModelProto, factors: Mapping[str, Array]) -> onnx.ModelProto:
    """A copy of a float graph with its channels divided by `factors` and its weights adapted."""
    copy = copy_model(model)
    view, taken = GraphView(copy), tensor_names(copy)

    def store(stem: str, value: Array) -> str:
        name = fresh_name(f"{stem}_equalized", taken)
        copy.graph.initializer.append(numpy_helper.from_array(np.array(value, np.float32, order="C"), name))
        return name

    for node in copy.graph.node:
        source, result = factors.get(node.input[0] if node.input else ""), factors.get(node.output[0])
        if node.op_type in CONVOLUTIONS and (source is not None or result is not None):
            weight = view.constant(node.input[1])
            assert weight is not None
            scaled = _scaled_weight(weight, node, source, result)
            node.input[1] = store(node.input[1], scaled)
            bias = view.constant(node.input[2]) if len(node.input) > 2 and node.input[2] else None
            if bias is not None and result is not None:
                node.input[2] = store(node.input[2], bias / result)
        elif node.op_type == "Add" and result is not None:
            for position, name in enumerate(node.input):
                value = view.constant(name)
                if value is not None:
                    node.input[position] = store(name, value / result.reshape(-1, 1, 1))
    return copy


def _scaled_weight(weight: Array, node: onnx.NodeProto, source: Array | None, result: Array | None) -> Array:
    """W · source / result by channel; Conv has (out, in/groups, …), ConvTranspose (in, out/groups, …)."""
    groups = attributes(node).get("group", 1)
    spatial = (1,) * (weight.ndim - 2)
    first, second = weight.shape[0], weight.shape[1]
    by_first, by_second = (result, source) if node.op_type == "Conv" else (source, result)
    scaled = weight.astype(np.float64).reshape(groups, first // groups, second, *weight.shape[2:])
    if by_first is not None:
        factor = by_first.astype(np.float64).reshape(groups, -1, 1, *spatial)
        scaled = scaled / factor if node.op_type == "Conv" else scaled * factor
    if by_second is not None:
        factor = by_second.astype(np.float64).reshape(groups, 1, -1, *spatial)
        scaled = scaled * factor if node.op_type == "Conv" else scaled / factor
    return np.asarray(scaled.reshape(weight.shape), np.float32)


class _Ties:
    """Which channels of which tensors must share one factor; channels of class FIXED keep factor 1."""

    def __init__(self, view: GraphView) -> None:
        self.view = view
        self.base: dict[str, int] = {}
        self.parent = [FIXED]
        self.limits: dict[str, float] = {}
        self.readers: defaultdict[str, list[onnx.NodeProto]] = defaultdict(list)
        for node in view.model.graph.node:
            for name in (*node.input, *node.output):
                self._enter(name)
        for node in view.model.graph.node:
            self._tie(node)
        for info in view.model.graph.output:
            self._fix(info.name)

    def factors(self, peaks: Mapping[str, Array]) -> Factors:
        activity, demand = self._by_class(peaks)
        wanted = np.ones(len(self.parent))
        live = activity > 0
        dense = live & (demand > 0)
        only_depthwise = live & (demand == 0)
        wanted[dense] = activity[dense] ** BALANCE / demand[dense] ** (1 - BALANCE)
        wanted[only_depthwise] = activity[only_depthwise]
        roots = {name: self._roots(name) for name in self.base}
        wanted = self._normalised(wanted, live, roots)
        for name, limit in self.limits.items():
            # A bound at `limit` stands for limit · factor of the original, which must not cut what was seen.
            if name in peaks:
                floor = np.minimum(peaks[name] / limit, 1.0)
                np.maximum.at(wanted, roots[name], floor)
        wanted = np.clip(wanted, LEAST_FACTOR, 1.0)
        wanted[FIXED] = 1.0
        found = {name: wanted[classes].astype(np.float32) for name, classes in roots.items()}
        return {name: values for name, values in found.items() if np.any(values != 1.0)}

    def _by_class(self, peaks: Mapping[str, Array]) -> tuple[Array, Array]:
        """For each class: its largest share of a tensor's range, and of the range of a dense weight that reads it."""
        activity, demand = np.zeros(len(self.parent)), np.zeros(len(self.parent))
        for name, values in peaks.items():
            if name in self.base and values.max() > 0:
                np.maximum.at(activity, self._roots(name), values / values.max())
        for node in self.view.model.graph.node:
            weight = self.view.constant(node.input[1]) if node.op_type in CONVOLUTIONS else None
            if weight is None or node.input[0] not in self.base:
                continue
            if node.op_type == "Conv" and weight.shape[1] > 1 and attributes(node).get("group", 1) == 1:
                columns = np.abs(weight).max(axis=(0, *range(2, weight.ndim)))
                np.maximum.at(demand, self._roots(node.input[0]), columns / max(columns.max(), 1e-30))
        return activity, np.maximum(demand, np.where(demand > 0, 1e-3, 0.0))

    def _normalised(self, wanted: Array, live: Array, roots: Mapping[str, Array]) -> Array:
        """Divide by the largest factor among all tensors that hang together, so that none is above 1."""
        family = np.arange(len(self.parent))

        def find(index: int) -> int:
            while family[index] != index:
                family[index] = family[family[index]]
                index = int(family[index])
            return index

        for classes in roots.values():
            members = [int(one) for one in np.unique(classes) if one != FIXED]
            for one in members[1:]:
                family[find(one)] = find(members[0])
        tops = np.array([find(index) for index in range(len(family))])
        largest = np.zeros(len(family))
        np.maximum.at(largest, tops, np.where(live, wanted, 0.0))
        return np.where(live & (largest[tops] > 0), wanted / np.maximum(largest[tops], 1e-30), 1.0)

    def _enter(self, name: str) -> None:
        if not name or name in self.base or self.view.is_constant(name) or not self.view.is_float(name):
            return
        shape = self.view.shape(name)
        if shape is not None and len(shape) == 4:
            self.base[name] = len(self.parent)
            self.parent.extend(range(len(self.parent), len(self.parent) + shape[1]))

    def _tie(self, node: onnx.NodeProto) -> None:
        if node.op_type in CONVOLUTIONS and self.view.constant(node.input[1]) is not None:
            if node.name == NORMALISE:
                self._fix(node.output[0])
            return
        if not self._pass_on(node):
            for name in (*node.input, *node.output):
                self._fix(name)

    def _pass_on(self, node: onnx.NodeProto) -> bool:
        """Tie the channels of an operator's inputs and outputs; False where it is not linear in them."""
        data = [name for name in node.input if name in self.base]
        if node.op_type == "Concat" and attributes(node)["axis"] == 1 and len(data) == len(node.input):
            offset = 0
            for name in data:
                count = self._channels(name)
                self._union(range(self.base[name], self.base[name] + count), self.base[node.output[0]] + offset)
                offset += count
            return True
        if node.op_type == "Add":
            constants = [value for name in node.input if (value := self.view.constant(name)) is not None]
            if any(value.size != self._channels(node.output[0]) for value in constants):
                return False
        elif node.op_type == "Clip":
            bounds = activation_bounds(self.view, node)
            if bounds is None or bounds[0] != 0.0:
                return False
            if np.isfinite(bounds[1]):
                self.limits[node.output[0]] = bounds[1]
        elif node.op_type == "MatMul":
            constants = [value for name in node.input if (value := self.view.constant(name)) is not None]
            if len(constants) != 1 or constants[0].ndim != 2:
                return False
        elif node.op_type not in PASSING:
            return False
        if any(self._channels(name) != self._channels(node.output[0]) for name in data):
            return False
        for name in data:
            self._union(range(self.base[name], self.base[name] + self._channels(name)), self.base[node.output[0]])
        return True

    def _channels(self, name: str) -> int:
        return self.view.static_shape(name)[1]

    def _fix(self, name: str) -> None:
        if name in self.base:
            for index in range(self.base[name], self.base[name] + self._channels(name)):
                self._join(index, FIXED)

    def _union(self, indices: Iterable[int], first: int) -> None:
        for offset, index in enumerate(indices):
            self._join(index, first + offset)

    def _join(self, one: int, other: int) -> None:
        low, high = sorted((self._root(one), self._root(other)))
        self.parent[high] = low

    def _root(self, index: int) -> int:
        while self.parent[index] != index:
            self.parent[index] = self.parent[self.parent[index]]
            index = self.parent[index]
        return index

    def _roots(self, name: str) -> Array:
        return np.array([self._root(index) for index in range(self.base[name], self.base[name] + self._channels(name))])
