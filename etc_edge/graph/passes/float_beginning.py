"""The beginning of a network, whose rounding everything behind it carries on: left in float."""

from __future__ import annotations

import onnx

from etc_edge.graph.int8_chains import COMMUTING
from etc_edge.graph.operations import node_macs
from etc_edge.graph.passes.removed_pairs import remove_pairs
from etc_edge.graph.qdq import Pair, pairs
from etc_edge.graph.view import GraphView

LARGEST_SHARE = 0.048
"""Of a network's multiply-adds that may be float with it: 95 % are to stay in INT8, and later passes take a little."""


def keep_beginning_in_float(model: onnx.ModelProto) -> None:
    """Remove the first pairs of a graph in place, as many as fit into a small share of its multiply-adds.

    Signed codes have 127 steps for what a rectifier leaves, unsigned ones 255, and the error of the first tensors is
    carried through the whole network. The first operators have few channels and large maps, so that they are a small
    part of the work, and the part that gains least from INT8. Networks whose grids are signed already stay as they
    are, since they may have been trained with them. Weights of what becomes float become float constants.
    """
    view = GraphView(model)
    found = pairs(view)
    if not any(pair.grid.unsigned for pair in found):
        return
    macs = {node.name: node_macs(view, node) for node in model.graph.node}
    reading_codes = {node.name for pair in found for node in _readers(view, pair)}
    left = LARGEST_SHARE * sum(macs.values()) - sum(macs[name] for name in macs.keys() - reading_codes)
    by_tensor = {pair.tensor: pair for pair in found}
    taken: dict[str, Pair] = {}
    for pair in found:
        if pair.tensor in taken:
            continue
        group = _passing_its_codes(view, pair, by_tensor)
        left -= sum(macs[node.name] for one in group for node in _readers(view, one))
        if left < 0:
            break
        taken.update({one.tensor: one for one in group})
    remove_pairs(model, view, list(taken.values()))


def _readers(view: GraphView, pair: Pair) -> list[onnx.NodeProto]:
    return view.consumers.get(pair.dequantize.output[0], [])


def _passing_its_codes(view: GraphView, first: Pair, by_tensor: dict[str, Pair]) -> list[Pair]:
    """A pair and those behind operators that pass its codes on, which would round the same values."""
    group = [first]
    for pair in group:  # it grows
        for reader in _readers(view, pair):
            if reader.op_type in COMMUTING:
                group.extend(by_tensor[name] for name in reader.output if name in by_tensor)
    return group
