"""From a bundle's graph to the ones that TensorRT is given: INT8, FP8, FP16 or FP32, typed or with builder flags."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import onnx

from etc_edge.core.errors import GraphError
from etc_edge.graph.load import OPSET, copy_model
from etc_edge.graph.magnitudes import largest_magnitudes, seen_magnitudes
from etc_edge.graph.passes.byte_borders import convert_bytes_at_borders
from etc_edge.graph.passes.concatenated_pairs import drop_concatenated_pairs
from etc_edge.graph.passes.constant_channels import balance_with_constant_channels
from etc_edge.graph.passes.float8 import write_float8
from etc_edge.graph.passes.float_beginning import keep_beginning_in_float
from etc_edge.graph.passes.float_constants import drop_quantization, float_biases
from etc_edge.graph.passes.float_depthwise import keep_coarse_depthwise_in_float
from etc_edge.graph.passes.fused_pairs import drop_fused_pairs
from etc_edge.graph.passes.half_precision import LARGEST_HALF, overflowing_constants, write_half_precision
from etc_edge.graph.passes.idle_pairs import drop_idle_pairs
from etc_edge.graph.passes.shifted_codes import shift_to_signed
from etc_edge.graph.passes.symmetric_grids import make_grids_symmetric
from etc_edge.graph.qdq import pairs
from etc_edge.graph.simplify import drop_unused
from etc_edge.graph.view import GraphView

TensorRtPrecision = Literal["int8", "fp8", "fp16", "fp32"]

TYPED_OPSET = 19
"""The first whose Q/DQ operators take FP16 values and E4M3 codes; TensorRT 10's parser reads opsets to 20 and later."""

SIGNED_PASSES: tuple[Callable[[onnx.ModelProto], None], ...] = (
    float_biases,
    make_grids_symmetric,
    drop_fused_pairs,
    drop_concatenated_pairs,
)
"""From the grids of any bundle to signed symmetric ones where TensorRT fuses them."""

INT8_PASSES: tuple[Callable[[onnx.ModelProto], None], ...] = (
    float_biases,
    keep_beginning_in_float,
    drop_idle_pairs,
    drop_fused_pairs,
    drop_concatenated_pairs,
    balance_with_constant_channels,
    shift_to_signed,
    keep_coarse_depthwise_in_float,
    make_grids_symmetric,
)
"""The same for integer codes, of which a rectified activation would use half."""

_CONVERSIONS = frozenset({"QuantizeLinear", "DequantizeLinear", "Cast", "Constant"})


@dataclass(frozen=True)
class TensorRtGraph:
    """What a TensorRT builder is given.

    Args:
        model: uint8 frame in, uint8 labels out.
        precision: what was asked for.
        typed: whether FP16 is written into the graph, for a strongly typed network.
        float32_nodes: operators that are kept in FP32 in a graph that otherwise runs in FP16, with the reason.
    """

    model: onnx.ModelProto
    precision: TensorRtPrecision
    typed: bool
    float32_nodes: Mapping[str, str]


def lower_for_tensorrt(
    model: onnx.ModelProto,
    precision: TensorRtPrecision,
    *,
    typed: bool = True,
    seen: Mapping[str, float] | None = None,
) -> TensorRtGraph:
    """The graph of one build.

    Args:
        model: a bundle's graph; INT8 and FP8 need its pairs, FP16 and FP32 take them out again.
        precision: of what is quantized (`int8`, `fp8`; all else is FP16), or of everything.
        typed: write FP16 into the graph (TensorRT 10 and later). Otherwise floats stay FP32 and the builder's flags
            choose (TensorRT 8).
        seen: largest magnitudes that calibration saw, by tensor, beside what the graph's own pairs tell. Where a graph
            without pairs gets none, only its constants tell what FP16 cannot hold.

    Raises:
        GraphError: INT8 or FP8 of a graph without pairs, or FP8 without types.
    """
    lowered = copy_model(model)
    if precision == "fp8" and not typed:
        raise GraphError("Found FP8 for a network without types, expected TensorRT 10 or later.")
    magnitudes = {**seen_magnitudes(GraphView(lowered)), **(seen or {})}
    if precision in ("int8", "fp8"):
        if not pairs(GraphView(lowered)):
            raise GraphError(
                f"Found a graph without quantized activations, expected one for {precision.upper()}.",
                "Quantize the bundle first (etc-edge quantize), or take --precision fp16.",
            )
        for apply in INT8_PASSES if precision == "int8" else SIGNED_PASSES:
            apply(lowered)
    else:
        drop_quantization(lowered)
    convert_bytes_at_borders(lowered)
    drop_unused(lowered)
    keep = {} if precision == "fp32" else _overflowing(lowered, magnitudes)
    if typed and precision != "fp32":
        lowered = _at_opset(lowered, TYPED_OPSET)
        if precision == "fp8":
            write_float8(lowered)
        write_half_precision(lowered, keep)
        drop_unused(lowered)
    return TensorRtGraph(lowered, precision, typed, keep)


def tensors_that_lose_steps(model: onnx.ModelProto) -> list[str]:
    """Quantized activations of a bundle's graph whose unsigned codes an INT8 build makes signed, with half the steps or
    a little more; those that it leaves in float are none."""
    lowered = copy_model(model)
    for apply in INT8_PASSES[: INT8_PASSES.index(make_grids_symmetric)]:
        apply(lowered)
    return [pair.tensor for pair in pairs(GraphView(lowered)) if pair.grid.unsigned]


def _overflowing(model: onnx.ModelProto, seen: Mapping[str, float]) -> dict[str, str]:
    """Operators that FP16 cannot hold the operands or results of, with the reason."""
    view, found = GraphView(model), {}
    bound = largest_magnitudes(model, seen) if seen else {}
    for node in model.graph.node:
        if node.op_type in _CONVERSIONS or not any(view.is_float(name) for name in (*node.input, *node.output)):
            continue
        largest = max((bound.get(name, 0.0) for name in node.output if view.is_float(name)), default=0.0)
        if overflowing_constants(view, node):
            found[node.name] = f"a constant beyond {LARGEST_HALF:g}"
        elif largest > LARGEST_HALF:
            found[node.name] = "nothing known of its results" if largest == float("inf") else f"up to {largest:.3g}"
    return found


def _at_opset(model: onnx.ModelProto, wanted: int) -> onnx.ModelProto:
    version = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), OPSET)
    if version >= wanted:
        return model
    try:
        return onnx.version_converter.convert_version(model, wanted)
    except Exception as error:  # the converter raises RuntimeError and others from C++
        raise GraphError(f"Found a graph that ONNX cannot convert to opset {wanted}: {error}.") from error
