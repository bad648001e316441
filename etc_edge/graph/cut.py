"""The rest of a network from some point on, fed with what is alive there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import onnx
from onnx import TensorProto, helper

from etc_edge.graph.load import copy_model, replace_nodes
from etc_edge.graph.simplify import drop_unused
from etc_edge.graph.view import GraphView


@dataclass(frozen=True)
class Cut:
    """Where a graph is cut: before the node at `position`; `tensors` are what later nodes read of earlier ones."""

    position: int
    tensors: tuple[str, ...]


def narrow_cuts(model: onnx.ModelProto, logits: str, most_bytes: int) -> list[Cut]:
    """Every place, but the beginning, where no more than `most_bytes` of 32-bit floats are alive.

    Args:
        model: a deployed float graph, its nodes in order.
        logits: what the rest shall end in; nodes after it do not count.
        most_bytes: of one frame.
    """
    view, found = GraphView(model), list[Cut]()
    nodes = list(model.graph.node)
    until = next(number for number, node in enumerate(nodes) if logits in node.output)
    last_read: dict[str, int] = {}
    for number, node in enumerate(nodes[: until + 1]):
        for name in node.input:
            if name and not view.is_constant(name):
                last_read[name] = number
    alive = [info.name for info in view.inputs()]
    for number, node in enumerate(nodes[: until + 1]):
        alive = [name for name in alive if last_read.get(name, -1) >= number]
        floats = all(view.is_float(name) for name in alive)
        if number and floats and sum(4 * prod(view.static_shape(name)) for name in alive) <= most_bytes:
            found.append(Cut(number, tuple(alive)))
        alive.extend(name for name in node.output if name in last_read)
    return found


def rest_after(model: onnx.ModelProto, cut: Cut | None, outputs: Sequence[str]) -> onnx.ModelProto:
    """A copy of the graph from a cut, or from its frame, to some of its tensors."""
    copy, view = copy_model(model), GraphView(model)
    if cut is not None:
        replace_nodes(copy, list(copy.graph.node)[cut.position :])
        inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, view.shape(name)) for name in cut.tensors]
        del copy.graph.input[:]
        copy.graph.input.extend(inputs)
    kinds = {info.name: info.type.tensor_type.elem_type for info in model.graph.output}
    infos = [
        helper.make_tensor_value_info(name, kinds.get(name, TensorProto.FLOAT), view.shape(name)) for name in outputs
    ]
    del copy.graph.output[:]
    copy.graph.output.extend(infos)
    drop_unused(copy)
    return copy
