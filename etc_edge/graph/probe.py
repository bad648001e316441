"""Probes: extra outputs that tell what passes through a tensor, computed inside the graph.

Each probed tensor gives its exact minimum and maximum and a sample. The tensor itself never leaves the engine,
so memory stays that of plain inference. Images are probed with pooling operators, which ONNX Runtime runs in the
blocked layout of its convolutions, so that no tensor is reordered for the sake of a look at it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, prod, sqrt
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from etc_edge.graph.load import copy_model
from etc_edge.graph.view import GraphView, fresh_name, tensor_names


@dataclass(frozen=True)
class Probe:
    """Names of the outputs that tell of one tensor; `minimum` is None where it cannot be below zero."""

    tensor: str
    minimum: str | None
    maximum: str
    sample: str


def add_probes(model: onnx.ModelProto, tensors: Iterable[str], sample_size: int) -> tuple[onnx.ModelProto, list[Probe]]:
    """A copy of a graph that also outputs extremes and about `sample_size` values of each tensor, all float32.

    Raises:
        GraphError: a tensor has no static shape.
    """
    builder = _Builder(copy_model(model))
    return builder.model, [builder.probe(tensor, sample_size) for tensor in tensors]


def add_peak_probes(model: onnx.ModelProto, tensors: Iterable[str]) -> tuple[onnx.ModelProto, dict[str, str]]:
    """A copy of a graph that also outputs the largest magnitude in each channel of each image-like tensor.

    Returns:
        the copy, and the name of the output, float32 (1, channels, 1, 1), by tensor name; tensors that are not
        (1, channels, h, w) are left out.
    """
    builder = _Builder(copy_model(model))
    images = [name for name in tensors if len(builder.view.static_shape(name)) == 4]
    return builder.model, {name: builder.peaks(name) for name in images}


def add_mean_probes(model: onnx.ModelProto, tensors: Iterable[str]) -> tuple[onnx.ModelProto, dict[str, str]]:
    """A copy of a graph that also outputs the mean of each channel of each image-like tensor; as `add_peak_probes`."""
    builder = _Builder(copy_model(model))
    images = [name for name in tensors if len(builder.view.static_shape(name)) == 4]
    return builder.model, {name: builder.means(name) for name in images}


class _Builder:
    def __init__(self, model: onnx.ModelProto) -> None:
        self.model, self.view, self.taken = model, GraphView(model), tensor_names(model)
        self.everything = self._constant("probe_flat", [-1])

    def probe(self, tensor: str, sample_size: int) -> Probe:
        shape = self.view.static_shape(tensor)
        image = len(shape) == 4 and shape[2] * shape[3] > 1
        minimum = None if self._never_negative(tensor) else self._output(tensor, "min", "ReduceMin", tensor)
        peaks = self._node(tensor, "peaks", "GlobalMaxPool", [tensor]) if image else tensor
        maximum = self._output(tensor, "max", "ReduceMax", peaks)
        step = ceil(sqrt(prod(shape) / sample_size)) if image else 1
        sample = tensor
        if step > 1:
            sample = self._node(tensor, "thinned", "MaxPool", [tensor], kernel_shape=[1, 1], strides=[step, step])
        flat = self._node(tensor, "sample", "Reshape", [sample, self.everything])
        self._make_output(flat)
        return Probe(tensor, minimum, maximum, flat)

    def peaks(self, tensor: str) -> str:
        """The output that tells the largest magnitude in each channel."""
        size = tensor if self._never_negative(tensor) else self._node(tensor, "size", "Abs", [tensor])
        name = self._node(tensor, "channel_peaks", "GlobalMaxPool", [size])
        self._make_output(name)
        return name

    def means(self, tensor: str) -> str:
        """The output that tells the mean of each channel."""
        name = self._node(tensor, "channel_means", "GlobalAveragePool", [tensor])
        self._make_output(name)
        return name

    def _output(self, tensor: str, what: str, op_type: str, source: str) -> str:
        name = self._node(tensor, what, op_type, [source], keepdims=0)
        self._make_output(name)
        return name

    def _node(self, tensor: str, what: str, op_type: str, inputs: list[str], **options: Any) -> str:
        name = fresh_name(f"{tensor}_probe_{what}", self.taken)
        self.model.graph.node.append(helper.make_node(op_type, inputs, [name], name=name, **options))
        return name

    def _make_output(self, name: str) -> None:
        self.model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))

    def _constant(self, stem: str, values: list[int]) -> str:
        name = fresh_name(stem, self.taken)
        self.model.graph.initializer.append(numpy_helper.from_array(np.array(values, np.int64), name))
        return name

    def _never_negative(self, tensor: str) -> bool:
        node = self.view.producer.get(tensor)
        if node is None:
            return False
        if node.op_type in ("Relu", "Sigmoid", "HardSigmoid"):
            return True
        if node.op_type == "Clip" and len(node.input) > 1 and node.input[1]:
            low = self.view.constant(node.input[1])
            return low is not None and bool(low >= 0)
        return node.op_type in ("MaxPool", "AveragePool", "GlobalAveragePool") and self._never_negative(node.input[0])
