"""A read-only view of a graph: who makes a tensor, who reads it, its shape and its constant value."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from etc_edge.core.errors import GraphError


@dataclass
class GraphView:
    """Look-ups over `model.graph`, made once; make a new view after changing the graph.

    Tensors made by `Constant` nodes count as constants like initializers.
    """

    model: onnx.ModelProto
    producer: dict[str, onnx.NodeProto] = field(init=False)
    consumers: dict[str, list[onnx.NodeProto]] = field(init=False)
    _initializers: dict[str, onnx.TensorProto] = field(init=False)
    _types: dict[str, onnx.TypeProto.Tensor] = field(init=False)

    def __post_init__(self) -> None:
        graph = self.model.graph
        self.producer = {name: node for node in graph.node for name in node.output if name}
        readers: defaultdict[str, list[onnx.NodeProto]] = defaultdict(list)
        for node in graph.node:
            for name in dict.fromkeys(node.input):
                if name:
                    readers[name].append(node)
        self.consumers = dict(readers)
        self._initializers = {tensor.name: tensor for tensor in graph.initializer}
        inferred = onnx.shape_inference.infer_shapes(self.model, data_prop=True).graph
        infos: Iterable[onnx.ValueInfoProto] = [*inferred.input, *inferred.value_info, *inferred.output]
        self._types = {info.name: info.type.tensor_type for info in infos}

    def is_constant(self, name: str) -> bool:
        """Whether a tensor is an initializer or the output of a `Constant` node."""
        return name in self._initializers or self._made_by_constant(name)

    def constant(self, name: str) -> npt.NDArray[Any] | None:
        """A constant tensor's value, or None."""
        if name in self._initializers:
            return numpy_helper.to_array(self._initializers[name])
        if self._made_by_constant(name):
            for attribute in self.producer[name].attribute:
                if attribute.name == "value":
                    return numpy_helper.to_array(attribute.t)
                if attribute.name in ("value_float", "value_floats", "value_int", "value_ints"):
                    value = onnx.helper.get_attribute_value(attribute)
                    return np.asarray(value, np.float32 if "float" in attribute.name else np.int64)
        return None

    def shape(self, name: str) -> tuple[int, ...] | None:
        """A tensor's static shape, or None where it is unknown or partly dynamic."""
        if name in self._initializers:
            return tuple(self._initializers[name].dims)
        found = self._types.get(name)
        if found is None or not found.HasField("shape"):
            value = self.constant(name)
            return None if value is None else value.shape
        dims = found.shape.dim
        return tuple(dim.dim_value for dim in dims) if all(dim.HasField("dim_value") for dim in dims) else None

    def static_shape(self, name: str) -> tuple[int, ...]:
        """A tensor's static shape.

        Raises:
            GraphError: it is not known before the network runs.
        """
        shape = self.shape(name)
        if shape is None:
            raise GraphError(
                f"Found tensor {name!r} without a static shape.", "Give the network's input size with --size HxW."
            )
        return shape

    def is_float(self, name: str) -> bool:
        """Whether a tensor holds 32-bit floats."""
        if name in self._initializers:
            return bool(self._initializers[name].data_type == onnx.TensorProto.FLOAT)
        found = self._types.get(name)
        if found is not None and found.elem_type:
            return bool(found.elem_type == onnx.TensorProto.FLOAT)
        value = self.constant(name)
        return value is not None and value.dtype == np.float32

    def element_type(self, name: str) -> int:
        """A tensor's element type as a number of `onnx.TensorProto`, 0 (UNDEFINED) where it is unknown."""
        if name in self._initializers:
            return int(self._initializers[name].data_type)
        found = self._types.get(name)
        return 0 if found is None else int(found.elem_type)

    def add_initializer(self, tensor: onnx.TensorProto) -> None:
        """Take note of an initializer that was added to the graph after this view was made."""
        self._initializers[tensor.name] = tensor

    def inputs(self) -> list[onnx.ValueInfoProto]:
        """The graph's inputs without initializers, which old models list among them."""
        return [info for info in self.model.graph.input if info.name not in self._initializers]

    def _made_by_constant(self, name: str) -> bool:
        node = self.producer.get(name)
        return node is not None and node.op_type == "Constant"


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    """A node's attributes as Python values."""
    return {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}


def fresh_name(stem: str, taken: set[str]) -> str:
    """A name that starts with `stem` and is not in `taken`; it is added there."""
    name, number = stem, 1
    while name in taken:
        name, number = f"{stem}_{number}", number + 1
    taken.add(name)
    return name


def tensor_names(model: onnx.ModelProto) -> set[str]:
    """Every tensor name that a graph uses."""
    graph = model.graph
    names = {name for node in graph.node for name in (*node.input, *node.output)}
    names.update(tensor.name for tensor in graph.initializer)
    names.update(info.name for info in (*graph.input, *graph.output))
    return names
