"""Grids of each tensor for TensorRT, which keeps all steps of some unsigned codes and takes the others signed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec
import onnx

from etc_edge.graph.tensorrt import tensors_that_lose_steps
from etc_edge.quantization.placement import Placement
from etc_edge.quantization.quantize import quantized_graph
from etc_edge.quantization.ranges import TensorRange
from etc_edge.quantization.weights import Granularity


def with_signed_tensors(
    model: onnx.ModelProto,
    placement: Placement,
    affine: Mapping[str, TensorRange],
    granularity: Granularity,
    symmetric: Callable[[], Mapping[str, TensorRange]] | None = None,
) -> dict[str, TensorRange]:
    """Ranges of which some say that their grids are symmetric: those whose unsigned codes the lowering makes signed.

    Args:
        model: the deployed float graph.
        placement: what is quantized.
        affine: ranges for unsigned codes.
        granularity: of weights.
        symmetric: ranges that an observer chose for symmetric grids; None leaves the ranges as they are.
    """
    bare = {name: msgspec.structs.replace(span, scheme=None) for name, span in affine.items()}
    lost = tensors_that_lose_steps(quantized_graph(model, placement, bare, "affine", granularity))
    # Tensors that share codes share a grid.
    roots = {placement.shared.get(name, name) for name in lost}
    others = symmetric() if symmetric is not None else bare
    return {
        name: msgspec.structs.replace(others[name], scheme="symmetric")
        if placement.shared.get(name, name) in roots
        else span
        for name, span in bare.items()
    }
