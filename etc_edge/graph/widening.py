"""Which operators change when a tensor gets more channels."""

from __future__ import annotations

from dataclasses import dataclass

import onnx

from etc_edge.graph.bounds import activation_bounds
from etc_edge.graph.shiftable import weight_codes
from etc_edge.graph.view import GraphView, attributes

_KEEPING_ZERO = frozenset({"Relu", "Clip", "QuantizeLinear", "DequantizeLinear"})


@dataclass(frozen=True)
class Widening:
    """Tensors that get channels together, and where those begin and end.

    Args:
        tensors: names of all that become wider.
        writers: convolutions that make them, which get outputs.
        readers: convolutions with signed codes for weights that read them, which get inputs.
        cuts: additions that go on with the channels that were there, and the name of the operand to cut.
    """

    tensors: frozenset[str]
    writers: tuple[onnx.NodeProto, ...]
    readers: tuple[onnx.NodeProto, ...]
    cuts: tuple[tuple[str, onnx.NodeProto], ...]


def widening(view: GraphView, tensor: str) -> Widening | None:
    """What has to change for a tensor to get channels of zeros; None where something cannot.

    Rectifiers and pairs pass zeros on, and the operands of an addition grow together. Where the result of an addition
    cannot grow, the addition reads a slice.
    """
    return _Search(view, cut_additions=False).from_tensor(tensor) or _Search(view, cut_additions=True).from_tensor(
        tensor
    )


class _Search:
    def __init__(self, view: GraphView, cut_additions: bool) -> None:
        self.view, self.cut_additions = view, cut_additions
        self.outputs = {info.name for info in view.model.graph.output}
        self.found: dict[str, None] = {}
        self.writers: dict[str, onnx.NodeProto] = {}
        self.readers: dict[str, onnx.NodeProto] = {}

    def from_tensor(self, tensor: str) -> Widening | None:
        waiting = [tensor]
        while waiting:
            name = waiting.pop()
            if name in self.found:
                continue
            self.found[name] = None
            before, behind = self._before(name), self._behind(name)
            if before is None or behind is None:
                return None
            waiting += [*before, *behind]
        cuts = [
            (name, reader)
            for name in self.found
            for reader in self.view.consumers.get(name, [])
            if reader.op_type == "Add" and reader.output[0] not in self.found
        ]
        writers, readers = tuple(self.writers.values()), tuple(self.readers.values())
        return Widening(frozenset(self.found), writers, readers, tuple(cuts))

    def _before(self, name: str) -> list[str] | None:
        """Tensors that have to be wide for this one to be; None where that is no use."""
        node = self.view.producer.get(name)
        if node is None:
            return None
        if node.op_type == "Conv" and attributes(node).get("group", 1) == 1:
            self.writers[node.name] = node
            return []
        if self._keeps_zero(node):
            return [node.input[0]]
        whole = node.op_type == "Add" and not any(self.view.is_constant(operand) for operand in node.input)
        return list(node.input) if whole else None

    def _behind(self, name: str) -> list[str] | None:
        """Tensors that become wide with this one; None where a reader takes no more channels."""
        wide: list[str] = []
        for node in self.view.consumers.get(name, []):
            if node.op_type == "Conv" and node.input[0] == name and self._takes_inputs(node):
                self.readers[node.name] = node
            elif self._keeps_zero(node):
                wide.append(node.output[0])
            elif node.op_type == "Add":
                wide += [] if self.cut_additions else [node.output[0]]
            else:
                return None
        return None if name in self.outputs else wide

    def _takes_inputs(self, node: onnx.NodeProto) -> bool:
        return attributes(node).get("group", 1) == 1 and weight_codes(self.view, node) is not None

    def _keeps_zero(self, node: onnx.NodeProto) -> bool:
        if node.op_type == "Clip":
            bounds = activation_bounds(self.view, node)
            return bounds is not None and bounds[0] <= 0.0 <= bounds[1]
        return node.op_type in _KEEPING_ZERO
