"""FP16 written into a graph: every float operator gets a type of its own, with conversions where two types meet."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from etc_edge.graph.load import replace_nodes
from etc_edge.graph.preprocess import FRAME
from etc_edge.graph.view import GraphView, attributes, fresh_name, tensor_names

LARGEST_HALF = 65504.0

SMALLEST_SCALE_HALF = 2.0**-17
"""Below this an FP16 scale is off by more than 1/256: FP16 has steps of 2⁻²⁴ there."""

_SETTINGS_IN_FLOAT = {"Resize": (1, 2)}
"""Operands that stay 32-bit floats by the ONNX specification: the region and the factors of a resize."""

_NUMPY = {TensorProto.FLOAT: np.float32, TensorProto.FLOAT16: np.float16}


def write_half_precision(model: onnx.ModelProto, keep_float32: Collection[str]) -> None:
    """Make a float graph compute in FP16, in place, but for the operators named in `keep_float32`.

    Strongly typed networks run as written (TensorRT 10 and later, 11 without a choice), so types are all that says
    what runs in FP16. A scale has the type of the values on its other side, as ONNX demands; codes of weights are
    rounded anew to their FP16 scales.
    """
    _Typist(model, frozenset(keep_float32)).write()


class _Typist:
    def __init__(self, model: onnx.ModelProto, keep_float32: frozenset[str]) -> None:
        self.model, self.view, self.taken = model, GraphView(model), tensor_names(model)
        self.keep_float32 = keep_float32
        self.types: dict[str, int] = {info.name: info.type.tensor_type.elem_type for info in model.graph.input}
        self.nodes: list[onnx.NodeProto] = []
        self.converted: dict[tuple[str, int], str] = {}

    def write(self) -> None:
        for node in self.model.graph.node:
            if node.op_type == "Constant":
                value = self.view.constant(node.output[0])
                assert value is not None
                self.model.graph.initializer.append(numpy_helper.from_array(value, node.output[0]))
                self.view.add_initializer(self.model.graph.initializer[-1])
            else:
                self._node(node)
        replace_nodes(self.model, self.nodes)
        del self.model.graph.value_info[:]
        for info in self.model.graph.output:
            info.type.tensor_type.elem_type = self.types.get(info.name, info.type.tensor_type.elem_type)

    def _node(self, node: onnx.NodeProto) -> None:
        if node.op_type == "QuantizeLinear":
            self._quantize(node)
        elif node.op_type == "DequantizeLinear":
            self._dequantize(node)
        elif node.op_type == "Cast":
            self._cast(node)
        else:
            wanted = TensorProto.FLOAT if node.name in self.keep_float32 else TensorProto.FLOAT16
            for position, name in enumerate(node.input):
                if name and position not in _SETTINGS_IN_FLOAT.get(node.op_type, ()):
                    node.input[position] = self._as(name, wanted)
            floating = any(self.types.get(name) in _NUMPY for name in node.input)
            for name in node.output:
                result = self.view.element_type(name)
                self.types[name] = wanted if floating and result in (TensorProto.FLOAT, 0) else result
            self.nodes.append(node)

    def _cast(self, node: onnx.NodeProto) -> None:
        target = attributes(node)["to"]
        if node.input[0] == FRAME and target == TensorProto.FLOAT:
            reader = self.view.consumers[node.output[0]][0]
            target = TensorProto.FLOAT if reader.name in self.keep_float32 else TensorProto.FLOAT16
            del node.attribute[:]
            node.attribute.append(helper.make_attribute("to", target))
        self.types[node.output[0]] = target
        self.nodes.append(node)

    def _quantize(self, node: onnx.NodeProto) -> None:
        scale = self._constant(node.input[1])
        # The type that its value has anyway, where the scale allows it.
        wanted = self.types.get(node.input[0], TensorProto.FLOAT) if _fits(scale) else TensorProto.FLOAT
        node.input[0] = self._as(node.input[0], wanted)
        node.input[1] = self._as(node.input[1], wanted)
        self.types[node.output[0]] = self.view.element_type(node.input[2])
        self.nodes.append(node)

    def _dequantize(self, node: onnx.NodeProto) -> None:
        scale, codes = self._constant(node.input[1]), self.view.constant(node.input[0])
        readers = self.view.consumers.get(node.output[0], [])
        float32 = any(reader.name in self.keep_float32 for reader in readers)
        weight = codes is not None
        wanted = TensorProto.FLOAT if float32 or not (weight or _fits(scale)) else TensorProto.FLOAT16
        if weight and wanted == TensorProto.FLOAT16 and codes is not None and codes.dtype == np.int8:
            self._weight(node, codes, scale)
        else:
            node.input[1] = self._as(node.input[1], wanted)
        self.types[node.output[0]] = wanted
        self.nodes.append(node)

    def _weight(self, node: onnx.NodeProto, codes: npt.NDArray[Any], scale: npt.NDArray[Any]) -> None:
        """Codes for the scales that FP16 can hold."""
        half = np.clip(scale.astype(np.float64), SMALLEST_SCALE_HALF, LARGEST_HALF).astype(np.float16)
        shape = [1] * codes.ndim
        if scale.size > 1:
            shape[attributes(node).get("axis", 1)] = -1
        change = (scale.astype(np.float64) / half.astype(np.float64)).reshape(shape if scale.size > 1 else ())
        rounded = np.clip(np.round(codes.astype(np.float64) * change), -127, 127).astype(np.int8)
        node.input[0] = self._initializer(f"{node.input[0]}_half", rounded)
        node.input[1] = self._initializer(f"{node.input[1]}_half", half)

    def _as(self, name: str, wanted: int) -> str:
        """A tensor in the wanted float type: itself, a converted constant or the result of a conversion."""
        value = self.view.constant(name)
        if value is not None:
            if value.dtype != np.float32 or wanted == TensorProto.FLOAT:
                self.types[name] = self.view.element_type(name)
                return name
            if (name, wanted) not in self.converted:
                half = np.clip(value, -LARGEST_HALF, LARGEST_HALF).astype(np.float16)
                self.converted[name, wanted] = self._initializer(f"{name}_half", half)
            return self.converted[name, wanted]
        if self.types.get(name) not in _NUMPY or self.types[name] == wanted:
            return name
        if (name, wanted) not in self.converted:
            cast = fresh_name(f"{name}_{'float' if wanted == TensorProto.FLOAT else 'half'}", self.taken)
            self.nodes.append(helper.make_node("Cast", [name], [cast], name=cast, to=wanted))
            self.types[cast] = wanted
            self.converted[name, wanted] = cast
        return self.converted[name, wanted]

    def _constant(self, name: str) -> npt.NDArray[Any]:
        value = self.view.constant(name)
        assert value is not None
        return value

    def _initializer(self, stem: str, value: npt.NDArray[Any]) -> str:
        name = fresh_name(stem, self.taken)
        self.model.graph.initializer.append(numpy_helper.from_array(np.array(value, order="C"), name))
        self.view.add_initializer(self.model.graph.initializer[-1])
        self.types[name] = self.model.graph.initializer[-1].data_type
        return name


def overflowing_constants(view: GraphView, node: onnx.NodeProto) -> bool:
    """Whether an operator has a constant operand that FP16 cannot hold."""
    settings = _SETTINGS_IN_FLOAT.get(node.op_type, ())
    for position, name in enumerate(node.input):
        value = view.constant(name) if name and position not in settings and view.is_float(name) else None
        limits = node.op_type == "Clip" and position > 0  # a limit that nothing reaches
        if value is not None and not limits and bool(np.abs(value).max(initial=0.0) > LARGEST_HALF):
            return True
    return False


def _fits(scale: npt.NDArray[Any]) -> bool:
    return bool(scale.min() >= SMALLEST_SCALE_HALF and scale.max() <= LARGEST_HALF)
