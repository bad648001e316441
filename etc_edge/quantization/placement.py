"""Which operators run in INT8 and which tensors therefore need a range."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from math import prod

import onnx

from etc_edge.graph.operations import MOVEMENT, node_macs
from etc_edge.graph.qdq import WEIGHTED
from etc_edge.graph.view import GraphView, attributes

ARITHMETIC = frozenset({"Add", "Mul"})
ACTIVATIONS = frozenset({"Relu", "Clip", "PRelu", "LeakyRelu", "HardSwish", "HardSigmoid", "Sigmoid"})
POOLING = frozenset({"AveragePool", "GlobalAveragePool", "ReduceMean"})

FUSED_ACTIVATIONS = frozenset({"Relu", "Clip"})
"""Activations that saturation itself performs, so that no pair stands between them and the operator before."""

SECONDS_PER_MAC_SAVED = 7e-12
SECONDS_PER_CONVERTED_ELEMENT = 0.35e-9
"""Cost model of an island: what INT8 saves on a multiply-add and what one float element more to convert costs,
from PSPNet-18 (38.1 GMAC in 366 ms as float, 102 ms as INT8) and one pass over memory on two VNNI cores."""


@dataclass(frozen=True)
class Placement:
    """What is quantized.

    Args:
        int8_nodes: names of the operators that run in INT8, in the order of the graph.
        float_nodes: every other operator of the network with the reason why it stays in float.
        tensors: activations that get a Q/DQ pair, in the order of the graph.
        shared: tensor to the tensor whose grid it shares, for operators that pass codes through.
        constants: constant operands that get a grid of their own.
    """

    int8_nodes: tuple[str, ...]
    float_nodes: dict[str, str]
    tensors: tuple[str, ...]
    shared: dict[str, str]
    constants: tuple[str, ...]


def place(model: onnx.ModelProto, logits: str, keep_float: frozenset[str] = frozenset()) -> Placement:
    """Choose the INT8 operators of a deployed float graph.

    Args:
        model: uint8 frame in, uint8 labels out.
        logits: the tensor that the labels are the argmax of; it and everything after it stay in float.
        keep_float: names of operators that the user wants in float.
    """
    return _Placer(GraphView(model), logits, keep_float).place()


def place_only(model: onnx.ModelProto, logits: str, nodes: frozenset[str]) -> Placement:
    """Quantize some operators and nothing else, whether or not that pays; arguments as of `place`."""
    others = frozenset(node.name for node in model.graph.node) - nodes
    return _Placer(GraphView(model), logits, others, islands_must_pay=False).place()


class _Placer:
    def __init__(self, view: GraphView, logits: str, keep_float: frozenset[str], islands_must_pay: bool = True) -> None:
        self.view, self.logits, self.keep_float = view, logits, keep_float
        self.islands_must_pay = islands_must_pay
        self.nodes = list(view.model.graph.node)
        self.after_logits = self._after(logits)

    def place(self) -> Placement:
        reasons = {node.name: reason for node in self.nodes if (reason := self._reason(node))}
        int8 = {node.name for node in self.nodes if node.name not in reasons}
        for name in self._lonely_islands(int8) if self.islands_must_pay else ():
            int8.discard(name)
            reasons[name] = "an INT8 island here would cost more than it saves"
        tensors = self._tensors(int8)
        return Placement(
            int8_nodes=tuple(node.name for node in self.nodes if node.name in int8),
            float_nodes={node.name: reasons[node.name] for node in self.nodes if node.name in reasons},
            tensors=tensors,
            shared=self._shared(int8, frozenset(tensors)),
            constants=self._constants(int8),
        )

    def _after(self, tensor: str) -> set[str]:
        reached, names = set[str](), [tensor]
        while names:
            for node in self.view.consumers.get(names.pop(), []):
                if node.name not in reached:
                    reached.add(node.name)
                    names.extend(node.output)
        return reached

    def _reason(self, node: onnx.NodeProto) -> str | None:
        """Why a node cannot or shall not run in INT8, or None where it can."""
        if node.name in self.after_logits:
            return "the labels head"
        if node.name in self.keep_float:
            return "asked for"
        data = self._data_inputs(node)
        if not data or not all(self.view.is_float(name) for name in (*data, *node.output)):
            return "no float data"
        if node.name.startswith("preprocess_"):
            return "preprocessing"
        kind = node.op_type
        if kind in WEIGHTED:
            return self._weighted_reason(node)
        if kind in ARITHMETIC or kind in POOLING or kind in ACTIVATIONS or kind in MOVEMENT:
            if kind == "Resize" and attributes(node).get("mode", b"nearest") == b"cubic":
                return "cubic interpolation leaves the range of its input"
            if kind == "Pad" and attributes(node).get("mode", b"constant") != b"constant":
                return "only constant padding is quantized"
            return None
        return f"{kind} has no INT8 form"

    def _weighted_reason(self, node: onnx.NodeProto) -> str | None:
        if node.op_type == "MatMul" and self.view.is_constant(node.input[0]):
            return "its first operand is constant"
        if self.view.constant(node.input[1]) is None:
            return None if node.op_type == "MatMul" else "its weight is computed"
        if len(node.input) > 2 and node.input[2] and not self.view.is_constant(node.input[2]):
            return "its bias is computed"
        if node.op_type == "Gemm":
            options = attributes(node)
            if options.get("transA", 0) or options.get("alpha", 1.0) != 1.0 or options.get("beta", 1.0) != 1.0:
                return "a scaled or transposed matrix product"
        return None

    def _data_inputs(self, node: onnx.NodeProto) -> list[str]:
        if node.op_type in ARITHMETIC or node.op_type == "Concat" or node.op_type == "MatMul":
            return [name for name in node.input if not self.view.is_constant(name)]
        return [name for name in node.input[:1] if not self.view.is_constant(name)]

    def _lonely_islands(self, int8: set[str]) -> list[str]:
        """Nodes of connected INT8 regions whose multiply-adds do not pay for the conversions at their borders."""
        lonely: list[str] = []
        for island in self._islands(int8):
            names = {node.name for node in island}
            saved = sum(node_macs(self.view, node) for node in island) * SECONDS_PER_MAC_SAVED
            crossed: set[str] = set()
            for node in island:
                for name in self._data_inputs(node):
                    producer = self.view.producer.get(name)
                    if producer is None or producer.name not in names:
                        crossed.add(name)
                for name in node.output:
                    if any(reader.name not in names for reader in self.view.consumers.get(name, [])):
                        crossed.add(name)
            converted = sum(prod(self.view.static_shape(name)) for name in crossed)
            if saved < converted * SECONDS_PER_CONVERTED_ELEMENT:
                lonely.extend(names)
        return lonely

    def _islands(self, int8: set[str]) -> list[list[onnx.NodeProto]]:
        parent: dict[str, str] = {name: name for name in int8}

        def root(name: str) -> str:
            while parent[name] != name:
                parent[name] = parent[parent[name]]
                name = parent[name]
            return name

        for node in self.nodes:
            for name in node.output if node.name in int8 else ():
                for reader in self.view.consumers.get(name, []):
                    if reader.name in int8:
                        parent[root(reader.name)] = root(node.name)
        islands: defaultdict[str, list[onnx.NodeProto]] = defaultdict(list)
        for node in self.nodes:
            if node.name in int8:
                islands[root(node.name)].append(node)
        return list(islands.values())

    def _tensors(self, int8: set[str]) -> tuple[str, ...]:
        """Inputs and outputs of INT8 operators, but for the logits and what a fused activation follows."""
        wanted: dict[str, None] = {}
        for node in self.nodes:
            if node.name not in int8:
                continue
            for name in self._data_inputs(node):
                wanted[name] = None
            for name in node.output:
                wanted[name] = None
        return tuple(name for name in wanted if name != self.logits and not self._fused_away(name, int8))

    def _fused_away(self, name: str, int8: set[str]) -> bool:
        readers = self.view.consumers.get(name, [])
        producer = self.view.producer.get(name)
        return (
            producer is not None
            and producer.name in int8
            and (producer.op_type in WEIGHTED or producer.op_type in ARITHMETIC)
            and len(readers) == 1
            and readers[0].name in int8
            and readers[0].op_type in FUSED_ACTIVATIONS
        )

    def _shared(self, int8: set[str], tensors: frozenset[str]) -> dict[str, str]:
        shared: dict[str, str] = {}
        for node in self.nodes:
            if node.name in int8 and node.op_type in MOVEMENT and node.op_type != "Concat":
                for name in node.output:
                    if name in tensors and node.input[0] in tensors:
                        shared[name] = shared.get(node.input[0], node.input[0])
        return shared

    def _constants(self, int8: set[str]) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for node in self.nodes:
            if node.name in int8 and (node.op_type in ARITHMETIC or node.op_type == "Concat"):
                for name in node.input:
                    if self.view.is_constant(name) and self.view.is_float(name):
                        found[name] = None
        return tuple(found)
