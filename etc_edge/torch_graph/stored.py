"""What a file stores of a network that can be trained: weights, biases and scales, and where they stand."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import onnx

from etc_edge.graph.operations import MOVEMENT
from etc_edge.graph.qdq import WEIGHTED
from etc_edge.graph.simplify import ADDED_NODES
from etc_edge.graph.view import GraphView, attributes

Kind = Literal["weights", "biases"]

# Float constants that training changes, and the operands that they are.
LEARNED: dict[str, dict[int, Kind]] = {
    **{op_type: {1: "weights", 2: "biases"} for op_type in WEIGHTED},
    "PRelu": {1: "weights"},
    "BatchNormalization": {1: "weights", 2: "biases"},
    "LayerNormalization": {1: "weights", 2: "biases"},
}


@dataclass(frozen=True)
class StoredWeight:
    """A weight in codes; `codes` and `scale` are initializers, `real` what a DequantizeLinear makes of them.

    `reader` is the name of a node that reads it, and `position` the operand that it is there.
    """

    reader: str
    position: int
    real: str
    codes: str
    scale: str
    zero_point: int
    low: int
    high: int
    axis: int | None


@dataclass(frozen=True)
class StoredBias:
    """A bias in 32-bit codes whose scale is that of an activation times that of a weight."""

    real: str
    codes: str
    scale: str
    activation_scale: str
    weight_scale: str


@dataclass(frozen=True)
class StoredPair:
    """An activation's Q/DQ pair: the tensor, what its DequantizeLinears give, and its grid."""

    tensor: str
    reals: tuple[str, ...]
    scale: str
    low: int
    high: int


@dataclass
class Stored:
    """All of it, by the name of the tensor that it makes real.

    Args:
        weights: by the name of what readers see.
        biases: likewise.
        pairs: by the name of the tensor before the pair.
        floats: float initializers that are trained, and what they are.
        same_scale: scale initializer to another one that it must stay equal to.
        replaced: names of results of Q/DQ nodes that fake quantization stands for.
        refused: QuantizeLinear nodes that training cannot see through, and why.
    """

    weights: dict[str, StoredWeight] = field(default_factory=dict)
    biases: dict[str, StoredBias] = field(default_factory=dict)
    pairs: dict[str, StoredPair] = field(default_factory=dict)
    floats: dict[str, Kind] = field(default_factory=dict)
    same_scale: dict[str, str] = field(default_factory=dict)
    replaced: set[str] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)

    def learned_scale(self, scale: str) -> str:
        """The name under which a scale is learned: its own, or that of the first one of those that stay the same."""
        while scale in self.same_scale:
            scale = self.same_scale[scale]
        return scale


def read_stored(view: GraphView, nodes: Iterable[onnx.NodeProto], outputs: Iterable[str]) -> Stored:
    """What the nodes of a graph hold that can be trained.

    Args:
        view: of the graph.
        nodes: those of its nodes that run.
        outputs: tensors that are asked for.
    """
    reader = _Reader(view, list(nodes), set(outputs))
    return reader.read()


class _Reader:
    def __init__(self, view: GraphView, nodes: list[onnx.NodeProto], outputs: set[str]) -> None:
        self.view, self.nodes, self.outputs = view, nodes, outputs
        self.running = {name for node in nodes for name in node.output}
        self.stored = Stored()
        self.source: dict[str, StoredPair] = {}

    def read(self) -> Stored:
        for node in self.nodes:
            if node.op_type == "QuantizeLinear":
                self._pair(node)
        for node in self.nodes:
            if not node.name.startswith(ADDED_NODES):
                for position, kind in LEARNED.get(node.op_type, {}).items():
                    if position < len(node.input):
                        self._operand(node, position, kind)
        return self.stored

    def _pair(self, node: onnx.NodeProto) -> None:
        """Take note of a pair and, where codes only pass through an operator on one grid, of whose scale it shares."""
        codes, tensor = node.output[0], node.input[0]
        readers = [reader for reader in self.view.consumers.get(codes, []) if reader.output[0] in self.running]
        grid = self._grid(node)
        if self.view.is_constant(tensor) or (not readers and codes in self.outputs):
            return
        if codes in self.outputs or any(reader.op_type != "DequantizeLinear" for reader in readers):
            self.stored.refused[node.name] = "its codes are read by more than DequantizeLinear"
        elif grid is None or any(self._grid(reader) != grid for reader in readers):
            self.stored.refused[node.name] = "expected one constant scale and zero point, the same after it"
        else:
            scale, zero_point, kind = grid
            limits = np.iinfo(kind)
            low, high = int(limits.min) - zero_point, int(limits.max) - zero_point
            reals = tuple(reader.output[0] for reader in readers)
            pair = StoredPair(tensor, reals, node.input[1], low, high)
            self.stored.pairs[tensor] = pair
            self.source.update(dict.fromkeys(reals, pair))
            self.stored.replaced.update((codes, *reals))
            for reader in readers:
                self._tie(reader.input[1], node.input[1])
            producer = self.view.producer.get(tensor)
            if producer is not None and producer.op_type in MOVEMENT and producer.op_type != "Concat":
                before = self.source.get(producer.input[0])
                if (
                    before is not None
                    and (before.low, before.high) == (low, high)
                    and self._value(before.scale) == scale
                ):
                    self._tie(node.input[1], before.scale)

    def _tie(self, scale: str, to: str) -> None:
        if self.stored.learned_scale(scale) != self.stored.learned_scale(to):
            self.stored.same_scale.setdefault(scale, to)

    def _grid(self, node: onnx.NodeProto) -> tuple[float, int, np.dtype[Any]] | None:
        """Scale, zero point and type of the codes of a Q or DQ node of one scale; None for other grids."""
        scale = self.view.constant(node.input[1])
        if scale is None or scale.size != 1 or scale.dtype != np.float32 or self._blocked(node):
            return None
        zero_point = self._zero_point(node)
        if zero_point is None or zero_point.size != 1 or zero_point.dtype.kind not in "iu":
            return None
        return float(scale.reshape(())), int(zero_point.reshape(())), zero_point.dtype

    def _value(self, scale: str) -> float:
        value = self.view.constant(scale)
        assert value is not None
        return float(value.reshape(()))

    def _zero_point(self, node: onnx.NodeProto) -> npt.NDArray[Any] | None:
        if len(node.input) > 2 and node.input[2]:
            return self.view.constant(node.input[2])
        codes = self.view.constant(node.input[0])
        return np.zeros((), np.uint8 if codes is None else codes.dtype)

    @staticmethod
    def _blocked(node: onnx.NodeProto) -> bool:
        options = attributes(node)
        return bool(options.get("block_size", 0) or options.get("output_dtype", 0))

    def _operand(self, node: onnx.NodeProto, position: int, kind: Kind) -> None:
        """Take note of a weight or bias, in floats or in codes."""
        name = node.input[position]
        if self.view.is_constant(name) and self.view.is_float(name):
            self.stored.floats.setdefault(name, kind)
            return
        producer = self.view.producer.get(name)
        if producer is None or producer.op_type != "DequantizeLinear" or name in self.stored.replaced:
            return
        codes = self.view.constant(producer.input[0])
        if codes is None or self._blocked(producer):
            return
        if kind == "weights" and codes.dtype in (np.int8, np.uint8):
            self._weight(node, position, producer, codes)
        elif kind == "biases" and codes.dtype == np.int32:
            self._bias(node, producer)

    def _weight(self, reader: onnx.NodeProto, position: int, node: onnx.NodeProto, codes: npt.NDArray[Any]) -> None:
        scale, zero_point = self.view.constant(node.input[1]), self._zero_point(node)
        if scale is None or scale.dtype != np.float32 or zero_point is None or np.unique(zero_point).size != 1:
            return
        offset, limits = int(zero_point.reshape(-1)[0]), np.iinfo(codes.dtype)
        low, high = int(limits.min) - offset, int(limits.max) - offset
        if low == -high - 1 and not (codes == limits.min).any():
            low = -high  # our own weights are symmetric
        self.stored.weights[node.output[0]] = StoredWeight(
            reader=reader.name,
            position=position,
            real=node.output[0],
            codes=node.input[0],
            scale=node.input[1],
            zero_point=offset,
            low=low,
            high=high,
            axis=None if scale.ndim == 0 else int(attributes(node).get("axis", 1)) % codes.ndim,
        )
        self.stored.replaced.add(node.output[0])

    def _bias(self, node: onnx.NodeProto, dequantize: onnx.NodeProto) -> None:
        activation, weight = self.source.get(node.input[0]), self.stored.weights.get(node.input[1])
        scale = self.view.constant(dequantize.input[1])
        if activation is None or weight is None or scale is None:
            return
        weight_scale = self.view.constant(weight.scale)
        assert weight_scale is not None
        step = weight_scale.reshape(-1) * np.float32(self._value(activation.scale))
        if scale.size % step.size or not np.allclose(np.resize(step, scale.shape), scale, rtol=1e-3, atol=0.0):
            return
        real = dequantize.output[0]
        self.stored.biases[real] = StoredBias(
            real, dequantize.input[0], dequantize.input[1], activation.scale, weight.scale
        )
        self.stored.replaced.add(real)
