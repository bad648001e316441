"""Rectified activations on all 256 signed codes: real zero is the lowest code instead of the middle one."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from etc_edge.graph.load import replace_nodes
from etc_edge.graph.rectified import Rectified, exact_at_borders, has_bias, real_weight, rectified_pairs
from etc_edge.graph.view import GraphView, fresh_name, tensor_names

LOWEST_CODE = -128


def shift_rectified(model: onnx.ModelProto) -> None:
    """Give what a convolution (and an addition) and a rectifier leave 255 signed steps instead of 127, in place.

    With scale s and c = 128·s, `QuantizeLinear` of conv(x) + b − c saturates at −128 exactly where conv(x) + b is
    below 0, so it is the rectifier, and the codes are those of unsigned activations less 128. Whoever reads them has
    c in every value: a convolution adds c · Σw to its bias for it, and an addition has c added to the bias of the
    convolution that makes its other operand. Nothing is added to the graph: biases change and the rectifier goes, so
    that every fusion of TensorRT's stays.

    That is exact where every tap of the readers' weights falls on the tensor: a convolution with padding would take a
    border of c for one of zeros, unless the weights of each tap sum to zero, which `balance_with_constant_channels`
    sees to where it can. Other tensors stay as they are. So do grids that are signed already, with which a network may
    have been trained. Biases must be float constants.
    """
    _Shifter(model).shift()


class _Shifter:
    def __init__(self, model: onnx.ModelProto) -> None:
        self.model, self.view, self.taken = model, GraphView(model), tensor_names(model)

    def shift(self) -> None:
        dropped: set[str] = set()
        for found in rectified_pairs(self.view):
            if all(exact_at_borders(self.view, node) for node in found.convolutions):
                self._shift(found)
                dropped.add(found.rectifier.name)
        replace_nodes(self.model, [node for node in self.model.graph.node if node.name not in dropped])

    def _shift(self, found: Rectified) -> None:
        pair = found.pair
        offset = -LOWEST_CODE * pair.grid.scale
        self._add_to_bias(found.writer, np.array(-offset))
        for node in found.convolutions:
            self._add_to_bias(node, offset * self._sums_of_weights(node))
        for node in found.additions:
            self._add_to_bias(node, np.array(offset))
        zero_point = self._initializer(f"{pair.tensor}_zero_point_shifted", np.array(0, np.int8))
        pair.quantize.input[2] = pair.dequantize.input[2] = zero_point
        self.view.producer[found.rectifier.input[0]].output[0] = pair.tensor

    def _sums_of_weights(self, node: onnx.NodeProto) -> npt.NDArray[np.float64]:
        weight = real_weight(self.view, node)
        assert weight is not None
        sums: npt.NDArray[np.float64] = weight.astype(np.float64).sum(axis=tuple(range(1, weight.ndim)))
        return sums

    def _add_to_bias(self, node: onnx.NodeProto, added: npt.NDArray[np.float64]) -> None:
        weight = real_weight(self.view, node)
        assert weight is not None
        bias = self.view.constant(node.input[2]) if has_bias(node) else None
        changed = np.zeros(len(weight)) + (0.0 if bias is None else bias.astype(np.float64)) + added
        name = self._initializer(f"{node.name}_bias_shifted", changed.astype(np.float32))
        node.input[:] = [*node.input[:2], name]

    def _initializer(self, stem: str, value: npt.NDArray[Any]) -> str:
        name = fresh_name(stem, self.taken)
        self.model.graph.initializer.append(numpy_helper.from_array(value, name))
        self.view.add_initializer(self.model.graph.initializer[-1])
        return name
