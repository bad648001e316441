"""Unsigned codes as signed ones 128 lower: what they stand for is moved by biases, since zero points must be 0."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from etc_edge.graph.load import replace_nodes
from etc_edge.graph.shiftable import Shiftable, exact_at_borders, has_bias, real_weight, shiftable_pairs
from etc_edge.graph.view import GraphView, fresh_name, tensor_names


def shift_to_signed(model: onnx.ModelProto) -> None:
    """Give activations 255 signed steps where a symmetric grid would have fewer, in place.

    With scale s, zero point z and c = (128 − z)·s, `QuantizeLinear` of conv(x) + b − c with zero point 0 gives the
    unsigned codes less 128, and whoever reads them has c too little in every value: a convolution adds c · Σw to its
    bias for it, and an addition has c added to the bias of the convolution that makes its other operand. For what a
    rectifier leaves, z = 0, a symmetric grid would have 127 steps; codes saturate at −128 exactly where conv(x) + b is
    below 0, so that they are the rectifier, which goes. Nothing is added to the graph, so that every fusion of
    TensorRT's stays.

    That is exact where every tap of the readers' weights falls on the tensor: a convolution with padding would take a
    border of c for one of zeros, unless the weights of each tap sum to zero, which `balance_with_constant_channels`
    sees to where it can. Other tensors stay as they are. So do grids that are signed already, with which a network may
    have been trained. Biases must be float constants. Where z is odd, values halfway between two codes go to the other
    of them, since halves round to even codes.
    """
    _Shifter(model).shift()


class _Shifter:
    def __init__(self, model: onnx.ModelProto) -> None:
        self.model, self.view, self.taken = model, GraphView(model), tensor_names(model)

    def shift(self) -> None:
        dropped: set[str] = set()
        for found in shiftable_pairs(self.view):
            if all(exact_at_borders(self.view, node) for node in found.convolutions):
                self._shift(found)
                if found.rectifier is not None:
                    self.view.producer[found.rectifier.input[0]].output[0] = found.pair.tensor
                    dropped.add(found.rectifier.name)
        replace_nodes(self.model, [node for node in self.model.graph.node if node.name not in dropped])

    def _shift(self, found: Shiftable) -> None:
        pair = found.pair
        self._add_to_bias(found.writer, np.array(-found.offset))
        for node in found.convolutions:
            self._add_to_bias(node, found.offset * self._sums_of_weights(node))
        for node in found.additions:
            self._add_to_bias(node, np.array(found.offset))
        zero_point = self._initializer(f"{pair.tensor}_zero_point_shifted", np.array(0, np.int8))
        pair.quantize.input[2] = pair.dequantize.input[2] = zero_point

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
