"""Depthwise convolutions whose input would lose half of its steps: left in float, as far as a share of the work goes.

Of TensorRT's signed codes a rectified activation uses half.
"""

from __future__ import annotations

import onnx

from etc_edge.graph.operations import node_macs
from etc_edge.graph.passes.float_beginning import LARGEST_SHARE
from etc_edge.graph.passes.removed_pairs import remove_pairs
from etc_edge.graph.qdq import Pair, pairs
from etc_edge.graph.view import GraphView, attributes


def keep_coarse_depthwise_in_float(model: onnx.ModelProto) -> None:
    """Remove pairs of rectified activations that only depthwise convolutions read, the first ones first, in place.

    A padded depthwise convolution has one weight a tap, so that nothing makes it exact for shifted codes: its input
    would have 127 steps. It is a hundredth of the work of the convolutions around it and no faster in INT8, being bound
    by memory. Float multiply-adds stay within `LARGEST_SHARE` of all, what is float already included.
    """
    view = GraphView(model)
    macs = {node.name: node_macs(view, node) for node in model.graph.node}
    found = pairs(view)
    reading_codes = {node.name for pair in found for node in _readers(view, pair)}
    left = LARGEST_SHARE * sum(macs.values()) - sum(macs[name] for name in macs.keys() - reading_codes)
    taken = []
    for pair in found:
        cost = sum(macs[node.name] for node in _readers(view, pair))
        if _loses_steps(view, pair) and cost <= left:
            left -= cost
            taken.append(pair)
    remove_pairs(model, view, taken)


def _readers(view: GraphView, pair: Pair) -> list[onnx.NodeProto]:
    return view.consumers.get(pair.dequantize.output[0], [])


def _loses_steps(view: GraphView, pair: Pair) -> bool:
    readers = _readers(view, pair)
    return pair.grid.unsigned and pair.grid.low == 0.0 and bool(readers) and all(map(_is_depthwise, readers))


def _is_depthwise(node: onnx.NodeProto) -> bool:
    return node.op_type == "Conv" and attributes(node).get("group", 1) > 1
