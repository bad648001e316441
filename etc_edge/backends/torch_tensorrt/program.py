"""What Torch-TensorRT is given: a bundle's graph without its first and last casts, INT8 written as its own operator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import onnx
import torch
from torch import Tensor, nn

from etc_edge.core.errors import CompileError
from etc_edge.graph.lower import lower
from etc_edge.graph.view import GraphView, attributes
from etc_edge.torch_graph.deployed import Deployed, beyond_half
from etc_edge.torch_graph.graph import TorchGraph, WeightRange

QUANTIZE = "quantize_op"
"""`tensorrt::quantize_op(input, amax, num_bits, exponent_bits, unsigned, narrow_range)`, which NVIDIA's modelopt
registers. It is the only operator that Torch-TensorRT's converters turn into Q/DQ layers, with scale amax / 127; on a
weight, amax has one value a channel of axis 0, and the operator keeps the weight from being folded to floats."""

BITS, EXPONENT_BITS, LARGEST_CODE = 8, 0, 127

TO_PLANES = [0, 3, 1, 2]


@dataclass(frozen=True)
class Body:
    """The part of a network that TensorRT compiles.

    TensorRT takes uint8 only to cast it, so the frame becomes planes of floats before it, and the largest class's
    index becomes uint8 behind it.

    Args:
        module: from floats (1, 3, H, W), 0 to 255, to class indices (1, H, W).
        quantized: how many activations and weights are quantized; 0 for a float graph.
        left: weights of INT8 operators that stay floats, since their scales count another axis than the first.
        wide: how many steps stay in 32-bit floats.
    """

    module: nn.Module
    quantized: int
    left: tuple[str, ...]
    wide: int


def quantize_operator() -> Any:
    """The operator, registered by whoever imported modelopt before.

    Raises:
        CompileError: nobody did.
    """
    try:
        return getattr(torch.ops.tensorrt, QUANTIZE).default
    except AttributeError as error:
        raise CompileError(
            "Found no operator tensorrt::quantize_op, expected nvidia-modelopt to register it.",
            'Try: pip install "etc-edge[torch-tensorrt]"',
        ) from error


def make_body(model: onnx.ModelProto, frames: list[Tensor], dtype: torch.dtype = torch.float16) -> Body:
    """Prepare a bundle's graph.

    Args:
        model: the bundle's own, float or Q/DQ; affine steps become the symmetric ones that reach as far.
        frames: uint8 (1, H, W, 3) on the device to compile on; what overflows 16-bit floats there stays in 32.
        dtype: float type of what is not INT8.

    Raises:
        CompileError: the graph does not begin and end as a deployed one does, or the operator is missing.
        GraphError: torch cannot run it.
    """
    lowered = lower(model, "torch_tensorrt")
    start, end = float_part(lowered)
    graph = TorchGraph(lowered, result=end).to(frames[0].device)
    wide = beyond_half(graph, end, frames)
    quantizer = TensorRtQuantizer(quantize_operator()) if graph.quantized else None
    module = Deployed(graph, end, start=start, dtype=dtype, wide=wide, quantizer=quantizer)
    left = [name for name, weight in graph.weight_ranges().items() if not by_first_axis(weight)]
    return Body(module.to(frames[0].device), module.quantized, tuple(left), len(wide))


def float_part(model: onnx.ModelProto) -> tuple[str, str]:
    """Where floats begin and end in a deployed graph: its first cast's result, and its last cast's operand.

    Raises:
        CompileError: the graph is another.
    """
    view = GraphView(model)
    (frame,), (labels,) = view.inputs(), model.graph.output
    chain: list[onnx.NodeProto] = []
    current = frame.name
    while len(view.consumers.get(current, [])) == 1 and len(chain) < 2:
        node = view.consumers[current][0]
        chain.append(node)
        current = node.output[0]
    last = view.producer.get(labels.name)
    kinds = [node.op_type for node in chain]
    if kinds != ["Transpose", "Cast"] or list(attributes(chain[0]).get("perm", [])) != TO_PLANES:
        raise CompileError(f"Found a graph that begins with {kinds}, expected the frame's transposition and cast.")
    if last is None or last.op_type != "Cast":
        raise CompileError("Found a graph that does not end in a cast to uint8 labels.", "Export the bundle again.")
    return current, last.input[0]


def by_first_axis(weight: WeightRange) -> bool:
    """Whether Torch-TensorRT can quantize a weight so: with one scale, or one an entry of axis 0."""
    return weight.axis in (None, 0) or weight.scale.numel() == 1


class TensorRtQuantizer:
    """Writes pairs as `tensorrt::quantize_op`, whose codes run from −128 to 127 around zero."""

    def __init__(self, operator: Any) -> None:
        self._operator = operator

    def constant(self, scale: Tensor, low: int, high: int) -> Tensor:
        """See Quantizer."""
        return scale * self._reach(low, high)

    def limits(self, low: int, high: int) -> tuple[float, float]:
        """See Quantizer."""
        reach = self._reach(low, high)
        return -reach * (LARGEST_CODE + 1) / LARGEST_CODE, reach

    def activation(self, data: Tensor, constant: Tensor, low: int, high: int) -> Tensor:
        """See Quantizer."""
        result: Tensor = self._operator(data, constant, BITS, EXPONENT_BITS, False, False)
        return result

    def _reach(self, low: int, high: int) -> int:
        # A symmetric grid reaches one step further down than up, which amax does not count.
        return max(high, LARGEST_CODE if low == -LARGEST_CODE - 1 else -low)

    def weight_constant(self, weight: WeightRange, rank: int) -> Tensor | None:
        """See Quantizer."""
        if not by_first_axis(weight):
            return None
        amax = weight.scale * LARGEST_CODE
        return amax.reshape(-1, *[1] * (rank - 1)) if amax.numel() > 1 else amax.reshape(())

    def weight(self, real: Tensor, constant: Tensor) -> Tensor:
        """See Quantizer."""
        result: Tensor = self._operator(real, constant, BITS, EXPONENT_BITS, False, False)
        return result
