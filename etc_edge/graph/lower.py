"""From the bundle's Q/DQ graph to the one that a target wants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import onnx

from etc_edge.graph.load import copy_model
from etc_edge.graph.passes.byte_borders import convert_bytes_at_borders
from etc_edge.graph.passes.byte_pairs import limit_byte_pairs
from etc_edge.graph.passes.frame_rows import normalise_rows
from etc_edge.graph.passes.fused_pairs import drop_fused_pairs
from etc_edge.graph.passes.integer_operators import fuse_integer_operators
from etc_edge.graph.passes.labels_head import compare_classes
from etc_edge.graph.passes.saturation import drop_saturated_activations
from etc_edge.graph.passes.unsigned_codes import shift_to_unsigned
from etc_edge.graph.passes.unsigned_weights import shift_weights_to_unsigned
from etc_edge.graph.simplify import drop_unused
from etc_edge.graph.tensorrt import INT8_PASSES

Target = Literal[
    "onnxruntime", "onnxruntime-saturating", "openvino", "openvino-saturating", "tensorrt", "torch_tensorrt"
]
"""An engine, and whether the processor's byte products saturate (`core.environment.byte_products_saturate`)."""

PASSES: dict[str, tuple[Callable[[onnx.ModelProto], None], ...]] = {
    "onnxruntime": (
        shift_to_unsigned,
        drop_saturated_activations,
        fuse_integer_operators,
        normalise_rows,
        drop_unused,
    ),
    "onnxruntime-saturating": (
        shift_to_unsigned,
        shift_weights_to_unsigned,
        drop_saturated_activations,
        fuse_integer_operators,
        normalise_rows,
        drop_unused,
    ),
    "openvino": (shift_to_unsigned, drop_fused_pairs, compare_classes, normalise_rows, drop_unused),
    "openvino-saturating": (
        shift_to_unsigned,
        limit_byte_pairs,
        drop_fused_pairs,
        compare_classes,
        normalise_rows,
        drop_unused,
    ),
    "tensorrt": (
        *INT8_PASSES,
        convert_bytes_at_borders,
        drop_unused,
    ),
    # Types, rectifiers and symmetric steps are written into the program in torch.
    "torch_tensorrt": (drop_fused_pairs, drop_unused),
}


def lower(model: onnx.ModelProto, target: Target) -> onnx.ModelProto:
    """A copy of a bundle's graph in the form that `target` runs fastest; in a float graph little changes."""
    lowered = copy_model(model)
    for apply in PASSES[target]:
        apply(lowered)
    return lowered
