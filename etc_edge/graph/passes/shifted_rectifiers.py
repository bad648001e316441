"""Rectified activations on all 256 signed codes: real zero is the lowest code instead of the middle one."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from etc_edge.graph.bounds import activation_bounds
from etc_edge.graph.load import replace_nodes
from etc_edge.graph.passes.float_constants import real_values
from etc_edge.graph.qdq import Pair, pairs
from etc_edge.graph.view import GraphView, attributes, fresh_name, tensor_names

LOWEST_CODE = -128


def shift_rectified(model: onnx.ModelProto) -> None:
    """Give what a convolution and a rectifier leave 255 signed steps instead of 127, in place.

    With scale s and c = 128·s, `QuantizeLinear` of conv(x) + b − c saturates at −128 exactly where conv(x) + b is
    below 0, so it is the rectifier, and the codes are those of unsigned activations less 128. Whoever reads them has
    c in every value and adds c · Σw to its bias for it. Nothing is added to the graph: biases change and the rectifier
    goes, so that every fusion of TensorRT's stays.

    That is exact where every tap of the readers' weights falls on the tensor: convolutions with padding would take a
    border of c for one of zeros, so a tensor that one of them reads stays as it is. So do grids that are signed
    already, with which a network may have been trained. Biases must be float constants.
    """
    _Shifter(model).shift()


class _Shifter:
    def __init__(self, model: onnx.ModelProto) -> None:
        self.model, self.view, self.taken = model, GraphView(model), tensor_names(model)

    def shift(self) -> None:
        dropped: set[str] = set()
        for pair in pairs(self.view):
            rectifier = self.view.producer.get(pair.tensor)
            if rectifier is None or not self._saturation_rectifies(rectifier, pair):
                continue
            before = self.view.producer.get(rectifier.input[0])
            readers = self.view.consumers.get(pair.dequantize.output[0], [])
            if before is None or not self._takes_bias(before) or self.view.consumers[before.output[0]] != [rectifier]:
                continue
            if not readers or not all(_all_taps_inside(node) and self._takes_bias(node) for node in readers):
                continue
            offset = -LOWEST_CODE * pair.grid.scale
            self._add_to_bias(before, np.array(-offset))
            for node in readers:
                self._add_to_bias(node, offset * self._sums_of_weights(node))
            zero_point = self._initializer(f"{pair.tensor}_zero_point_shifted", np.array(0, np.int8))
            pair.quantize.input[2] = pair.dequantize.input[2] = zero_point
            before.output[0] = pair.tensor
            dropped.add(rectifier.name)
        replace_nodes(self.model, [node for node in self.model.graph.node if node.name not in dropped])

    def _saturation_rectifies(self, rectifier: onnx.NodeProto, pair: Pair) -> bool:
        bounds, grid = activation_bounds(self.view, rectifier), pair.grid
        if bounds is None or not grid.unsigned or self.view.consumers[pair.tensor] != [pair.quantize]:
            return False
        # A bound less than half a step inside the grid rounds to the grid's own.
        return bounds[0] == grid.low == 0.0 and bounds[1] >= grid.high - 0.499 * grid.scale

    def _takes_bias(self, node: onnx.NodeProto) -> bool:
        if node.op_type != "Conv" or self._weight(node) is None:
            return False
        bias = self.view.constant(node.input[2]) if _has_bias(node) else None
        return not _has_bias(node) or (bias is not None and bias.dtype == np.float32)

    def _weight(self, node: onnx.NodeProto) -> npt.NDArray[Any] | None:
        producer = self.view.producer.get(node.input[1])
        if producer is not None and producer.op_type == "DequantizeLinear":
            return real_values(self.view, producer)
        return self.view.constant(node.input[1])

    def _sums_of_weights(self, node: onnx.NodeProto) -> npt.NDArray[np.float64]:
        weight = self._weight(node)
        assert weight is not None
        sums: npt.NDArray[np.float64] = weight.astype(np.float64).sum(axis=tuple(range(1, weight.ndim)))
        return sums

    def _add_to_bias(self, node: onnx.NodeProto, added: npt.NDArray[np.float64]) -> None:
        weight = self._weight(node)
        assert weight is not None
        bias = self.view.constant(node.input[2]) if _has_bias(node) else None
        changed = np.zeros(len(weight)) + (0.0 if bias is None else bias.astype(np.float64)) + added
        name = self._initializer(f"{node.name}_bias_shifted", changed.astype(np.float32))
        node.input[:] = [*node.input[:2], name]

    def _initializer(self, stem: str, value: npt.NDArray[Any]) -> str:
        name = fresh_name(stem, self.taken)
        self.model.graph.initializer.append(numpy_helper.from_array(value, name))
        self.view.add_initializer(self.model.graph.initializer[-1])
        return name


def _has_bias(node: onnx.NodeProto) -> bool:
    return len(node.input) > 2 and bool(node.input[2])


def _all_taps_inside(node: onnx.NodeProto) -> bool:
    options = attributes(node)
    unpadded = options.get("auto_pad", b"NOTSET") in (b"NOTSET", b"VALID")
    return node.op_type == "Conv" and unpadded and not any(options.get("pads", [0]))
