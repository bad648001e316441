"""Grids as TensorRT takes them: signed codes with zero point 0, in steps of the larger magnitude over 127."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper

from etc_edge.graph.grid import Grid
from etc_edge.graph.qdq import WEIGHTED, grid_of, pairs
from etc_edge.graph.view import GraphView, fresh_name, tensor_names


def make_grids_symmetric(model: onnx.ModelProto) -> None:
    """Give every activation and constant operand a signed symmetric grid over the range it has, in place.

    TensorRT's quantization is symmetric: `QuantizeLinear` and `DequantizeLinear` must have zero point 0
    (onnx-tensorrt, operator support matrix). Grids that are so already stay as they are, to the last bit.
    """
    view, taken = GraphView(model), tensor_names(model)

    def constant(stem: str, value: np.ndarray) -> str:
        name = fresh_name(f"{stem}_symmetric", taken)
        model.graph.initializer.append(numpy_helper.from_array(value, name))
        return name

    for pair in pairs(view):
        if not _is_symmetric(pair.grid):
            scale = constant(f"{pair.tensor}_scale", np.array(symmetric(pair.grid).scale, np.float32))
            zero_point = constant(f"{pair.tensor}_zero_point", np.array(0, np.int8))
            for node in (pair.quantize, pair.dequantize):
                node.input[1], node.input[2] = scale, zero_point
    for node in model.graph.node:
        codes = view.constant(node.input[0]) if node.op_type == "DequantizeLinear" else None
        if codes is None or codes.dtype == np.int32 or _is_weight(view, node.output[0]):
            continue
        grid = grid_of(view, node)
        if _is_symmetric(grid):
            continue
        real = (codes.astype(np.float64) - grid.zero_point) * grid.scale
        new = Grid.covering(float(real.min()), float(real.max()), "symmetric")
        node.input[0] = constant(node.input[0], np.clip(np.round(real / new.scale), -128, 127).astype(np.int8))
        node.input[1] = constant(node.input[1], np.array(new.scale, np.float32))
        node.input[2] = constant(node.input[2], np.array(0, np.int8))


def symmetric(grid: Grid) -> Grid:
    """The signed symmetric grid over the range of another."""
    return grid if _is_symmetric(grid) else Grid.covering(grid.low, grid.high, "symmetric")


def _is_symmetric(grid: Grid) -> bool:
    return not grid.unsigned and grid.zero_point == 0


def _is_weight(view: GraphView, name: str) -> bool:
    readers = view.consumers.get(name, [])
    return any(list(reader.input).index(name) == WEIGHTED.get(reader.op_type) for reader in readers)
