"""Activations whose unsigned codes can be signed with all 255 steps: who writes them, and who reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from etc_edge.graph.bounds import activation_bounds
from etc_edge.graph.passes.float_constants import real_values
from etc_edge.graph.passes.half_precision import SMALLEST_SCALE_HALF
from etc_edge.graph.qdq import Pair, pairs
from etc_edge.graph.view import GraphView, attributes

LOWEST_CODE = -128


@dataclass(frozen=True)
class Shiftable:
    """A quantized activation with unsigned codes that biases alone can shift.

    Args:
        pair: its Q/DQ pair.
        rectifier: the `Relu` or `Clip` before it, which saturation at the ends of the grid performs as well, if any.
        writer: the convolution whose bias moves what is quantized or rectified, directly or by way of an addition.
        convolutions: those that read it.
        additions: of each addition that reads it, the convolution that makes the other operand.
    """

    pair: Pair
    rectifier: onnx.NodeProto | None
    writer: onnx.NodeProto
    convolutions: tuple[onnx.NodeProto, ...]
    additions: tuple[onnx.NodeProto, ...]

    @property
    def offset(self) -> float:
        """What every real number is lowered by where every code is lowered by 128."""
        return self.pair.grid.scale * (-LOWEST_CODE - self.pair.grid.zero_point)


def shiftable_pairs(view: GraphView) -> list[Shiftable]:
    """Those pairs of a graph, in its order; biases must be float constants."""
    return [found for pair in pairs(view) if (found := _shiftable(view, pair)) is not None]


def exact_at_borders(view: GraphView, convolution: onnx.NodeProto) -> bool:
    """Whether an offset of a convolution's whole input moves its results by the same everywhere.

    A border of zeros has not the offset. That is no matter where there is no border, and where the weights of each tap
    sum to zero, so that the offset adds nothing anywhere.
    """
    options = attributes(convolution)
    unpadded = options.get("auto_pad", b"NOTSET") in (b"NOTSET", b"VALID")
    if unpadded and not any(options.get("pads", [0])):
        return True
    sums = sums_of_taps(view, convolution)
    return sums is not None and not sums.any()


def sums_of_taps(view: GraphView, convolution: onnx.NodeProto) -> npt.NDArray[np.int64] | None:
    """Sums of a quantized weight's codes over input channels, (output channels, taps…); None of other weights."""
    codes = weight_codes(view, convolution)
    return None if codes is None else codes.astype(np.int64).sum(axis=1)


def weight_codes(view: GraphView, convolution: onnx.NodeProto) -> npt.NDArray[np.int8] | None:
    """The signed codes of a convolution's weight; None where it is float or has a zero point.

    None as well where FP16 cannot hold a scale, for then the typed graph gets other codes.
    """
    producer = view.producer.get(convolution.input[1])
    if producer is None or producer.op_type != "DequantizeLinear":
        return None
    codes, scale, zero_point = (view.constant(name) for name in producer.input[:3])
    if codes is None or codes.dtype != np.int8 or zero_point is None or zero_point.any():
        return None
    if scale is None or scale.min() < SMALLEST_SCALE_HALF:
        return None
    return codes


def real_weight(view: GraphView, convolution: onnx.NodeProto) -> npt.NDArray[Any] | None:
    """A convolution's constant weight as real numbers; None where it is computed."""
    producer = view.producer.get(convolution.input[1])
    if producer is not None and producer.op_type == "DequantizeLinear":
        return real_values(view, producer)
    return view.constant(convolution.input[1])


def has_bias(node: onnx.NodeProto) -> bool:
    """Whether a convolution has one."""
    return len(node.input) > 2 and bool(node.input[2])


def _shiftable(view: GraphView, pair: Pair) -> Shiftable | None:
    before = view.producer.get(pair.tensor)
    if before is None or not pair.grid.unsigned or view.consumers[pair.tensor] != [pair.quantize]:
        return None
    rectifier = before if activation_bounds(view, before) is not None else None
    if rectifier is not None and not _saturation_rectifies(view, rectifier, pair):
        return None
    writer = _writer(view, pair.tensor if rectifier is None else rectifier.input[0])
    if writer is None:
        return None
    convolutions, additions = list[onnx.NodeProto](), list[onnx.NodeProto]()
    for name, node in _readers(view, pair.dequantize.output[0]):
        other = _other_operand(view, node, name) if node.op_type == "Add" else None
        if other is not None:
            additions.append(other)
        elif _takes_bias(view, node):
            convolutions.append(node)
        else:
            return None
    if not convolutions and not additions:
        return None
    return Shiftable(pair, rectifier, writer, tuple(convolutions), tuple(additions))


def _saturation_rectifies(view: GraphView, rectifier: onnx.NodeProto, pair: Pair) -> bool:
    bounds, grid = activation_bounds(view, rectifier), pair.grid
    # A bound less than half a step inside the grid rounds to the grid's own.
    return bounds is not None and bounds[0] == grid.low == 0.0 and bounds[1] >= grid.high - 0.499 * grid.scale


def _writer(view: GraphView, name: str) -> onnx.NodeProto | None:
    before = view.producer.get(name)
    if before is None or len(view.consumers[name]) != 1:
        return None
    if before.op_type != "Add":
        return before if _takes_bias(view, before) else None
    found = [_only_for(view, operand) for operand in before.input]
    return next((node for node in found if node is not None), None)


def _readers(view: GraphView, name: str) -> list[tuple[str, onnx.NodeProto]]:
    """Operators that read a tensor or a slice of it, and under what name."""
    found = []
    for node in view.consumers.get(name, []):
        found.extend(_readers(view, node.output[0]) if node.op_type == "Slice" else [(name, node)])
    return found


def _other_operand(view: GraphView, addition: onnx.NodeProto, name: str) -> onnx.NodeProto | None:
    others = [operand for operand in addition.input if operand != name]
    return _only_for(view, others[0]) if len(others) == 1 else None


def _only_for(view: GraphView, operand: str) -> onnx.NodeProto | None:
    """The convolution of an operand that nothing else reads, where it takes a bias."""
    node = view.producer.get(operand)
    fits = node is not None and _takes_bias(view, node) and len(view.consumers[operand]) == 1
    return node if fits else None


def _takes_bias(view: GraphView, node: onnx.NodeProto) -> bool:
    if node.op_type != "Conv" or real_weight(view, node) is None:
        return False
    bias = view.constant(node.input[2]) if has_bias(node) else None
    return not has_bias(node) or (bias is not None and bias.dtype == np.float32)
