"""Groups: operators that go back to float together, because no pair of their own stands between them."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import onnx

from etc_edge.graph.operations import MOVEMENT, node_macs
from etc_edge.graph.qdq import WEIGHTED
from etc_edge.graph.view import GraphView
from etc_edge.quantization.placement import SECONDS_PER_CONVERTED_ELEMENT, SECONDS_PER_MAC_SAVED, Placement


@dataclass(frozen=True)
class Group:
    """Operators that are quantized together.

    Args:
        name: of the operator with the most multiply-adds.
        nodes: names of all, in the order of the graph.
        macs: multiply-adds, as a fraction of the network's.
        saved: estimate of the time that INT8 saves here, as a fraction of what it saves in all groups.
        grids: names of what is quantized for them: activations, which neighbours may share, weights and constants.
    """

    name: str
    nodes: tuple[str, ...]
    macs: float
    saved: float
    grids: tuple[str, ...]


def groups_of(model: onnx.ModelProto, placement: Placement, logits: str) -> list[Group]:
    """The groups of a placement, in the order of the graph.

    A convolution and the activation that follows it are one; so are an operator and those that only move its codes.
    """
    view, int8, paired = GraphView(model), set(placement.int8_nodes), set(placement.tensors)
    leader: dict[str, str] = {}
    members: dict[str, list[onnx.NodeProto]] = {}
    total = max(1, sum(node_macs(view, node) for node in model.graph.node))
    for node in model.graph.node:
        if node.name not in int8:
            continue
        maker = view.producer.get(node.input[0])
        first = node.name
        if maker is not None and maker.name in leader:
            passes_codes = node.op_type in MOVEMENT and node.op_type != "Concat"
            if passes_codes or (node.input[0] not in paired and node.input[0] != logits):
                first = leader[maker.name]
        leader[node.name] = first
        members.setdefault(first, []).append(node)
    seconds = {first: _saved_s(view, nodes) for first, nodes in members.items()}
    all_s = max(sum(seconds.values()), 1e-12)
    return [
        Group(
            name=max(nodes, key=lambda node: node_macs(view, node)).name,
            nodes=tuple(node.name for node in nodes),
            macs=sum(node_macs(view, node) for node in nodes) / total,
            saved=seconds[first] / all_s,
            grids=_grids(view, nodes, placement),
        )
        for first, nodes in members.items()
    ]


def _saved_s(view: GraphView, nodes: list[onnx.NodeProto]) -> float:
    elements = sum(prod(view.static_shape(node.output[0])) for node in nodes)
    macs = sum(node_macs(view, node) for node in nodes)
    return macs * SECONDS_PER_MAC_SAVED + elements * SECONDS_PER_CONVERTED_ELEMENT


def _grids(view: GraphView, nodes: list[onnx.NodeProto], placement: Placement) -> tuple[str, ...]:
    quantized = {*placement.tensors, *placement.constants}
    found: dict[str, None] = {}
    for node in nodes:
        for name in (*node.input, *node.output):
            if name in quantized:
                found[placement.shared.get(name, name)] = None
        if node.op_type in WEIGHTED and view.is_constant(node.input[WEIGHTED[node.op_type]]):
            found[node.input[WEIGHTED[node.op_type]]] = None
    return tuple(found)
