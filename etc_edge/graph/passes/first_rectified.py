"""The first rectified activation, which signed codes would cost most: left in float."""

from __future__ import annotations

import onnx

from etc_edge.graph.bounds import activation_bounds
from etc_edge.graph.int8_chains import COMMUTING
from etc_edge.graph.load import replace_nodes
from etc_edge.graph.operations import node_macs
from etc_edge.graph.qdq import Pair, pairs
from etc_edge.graph.view import GraphView

LARGEST_SHARE = 0.04
"""Of a network's multiply-adds that may become float for it: 95 % are to stay in INT8, with room for what else does."""


def keep_first_rectified(model: onnx.ModelProto) -> None:
    """Remove the pair of the first rectified activation with unsigned codes, in place, where that costs little.

    Signed codes have 127 steps for what a rectifier leaves, unsigned ones 255. The error of the first such tensor is
    carried through the whole network, and it has no weights to speak of behind it yet: what reads it is a hundredth
    of the released networks' multiply-adds, and with it in FP16 their INT8 is no less steady than with unsigned codes
    everywhere (docs/gpu-results.md). Pairs behind operators that pass its codes on go with it.
    """
    view = GraphView(model)
    found = {pair.tensor: pair for pair in pairs(view)}
    first = next((pair for pair in found.values() if _is_halved(view, pair)), None)
    if first is None:
        return
    taken = _with_followers(view, first, found)
    names = {pair.dequantize.output[0]: pair.tensor for pair in taken}
    readers = [node for node in model.graph.node if any(name in names for name in node.input)]
    total = sum(node_macs(view, node) for node in model.graph.node)
    if sum(node_macs(view, node) for node in readers) > LARGEST_SHARE * total:
        return
    for node in readers:
        node.input[:] = [names.get(name, name) for name in node.input]
    dropped = {name for pair in taken for name in (pair.quantize.name, pair.dequantize.name)}
    replace_nodes(model, [node for node in model.graph.node if node.name not in dropped])


def _is_halved(view: GraphView, pair: Pair) -> bool:
    """Whether a rectifier makes it and its codes are unsigned, so that signed ones would leave it half the steps."""
    producer = view.producer.get(pair.tensor)
    bounds = None if producer is None else activation_bounds(view, producer)
    return bounds is not None and bounds[0] == 0.0 and pair.grid.unsigned and pair.grid.zero_point == 0


def _with_followers(view: GraphView, first: Pair, found: dict[str, Pair]) -> list[Pair]:
    taken = [first]
    for pair in taken:  # it grows
        for reader in view.consumers.get(pair.dequantize.output[0], []):
            if reader.op_type in COMMUTING:
                taken.extend(found[name] for name in reader.output if name in found)
    return taken
