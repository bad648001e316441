"""Operators that move values and compute none: shapes, order, parts, pads and types."""

from __future__ import annotations

from math import prod

import numpy as np
import torch
from onnx import TensorProto
from torch import Tensor
from torch.nn import functional

from etc_edge.torch_graph.operation import Operation, Run, plain
from etc_edge.torch_graph.operators.window import for_torch

TYPES = {
    TensorProto.FLOAT: torch.float32,
    TensorProto.DOUBLE: torch.float64,
    TensorProto.FLOAT16: torch.float16,
    TensorProto.BOOL: torch.bool,
    TensorProto.UINT8: torch.uint8,
    TensorProto.INT8: torch.int8,
    TensorProto.INT32: torch.int32,
    TensorProto.INT64: torch.int64,
}

identity = plain(lambda data: data)


def cast(operation: Operation) -> Run:
    """`Cast` between floats and integers."""
    kind = operation.option("to")
    if kind not in TYPES:
        operation.refuse(f"type {TensorProto.DataType.Name(kind)}")
    return lambda data: data.to(TYPES[kind])


def shape(operation: Operation) -> Run:
    """`Shape`."""
    start, end = operation.option("start", 0), operation.option("end", None)
    return lambda data: torch.tensor(data.shape[start:end], dtype=torch.int64)


def reshape(operation: Operation) -> Run:
    """`Reshape` to a constant shape; 0 copies the size that was there."""
    target, copies = operation.integers(1, "shape") or [], not operation.option("allowzero", 0)
    if copies and target[:1] == [1] and operation.shapes.get(operation.inputs[0], ())[:1] == (1,):
        target[0] = 0  # the one frame that the file is written for may be several

    def run(data: Tensor, *operands: Tensor) -> Tensor:
        return data.reshape([data.shape[axis] if copies and size == 0 else size for axis, size in enumerate(target)])

    return run


def flatten(operation: Operation) -> Run:
    """`Flatten` to a matrix."""
    axis = operation.axis(1)
    return lambda data: data.reshape(prod(data.shape[:axis]), -1)


def squeeze(operation: Operation) -> Run:
    """`Squeeze`."""
    axes = operation.integers(1, "axes")
    rank = len(operation.shape(0))
    dropped = [axis % rank for axis in axes] if axes else [a for a, size in enumerate(operation.shape(0)) if size == 1]
    return lambda data, *operands: torch.squeeze(data, dropped)


def unsqueeze(operation: Operation) -> Run:
    """`Unsqueeze`."""
    axes = operation.integers(1, "axes") or []
    rank = len(operation.shape(0)) + len(axes)
    added = sorted(axis % rank for axis in axes)

    def run(data: Tensor, *operands: Tensor) -> Tensor:
        for axis in added:
            data = data.unsqueeze(axis)
        return data

    return run


def transpose(operation: Operation) -> Run:
    """`Transpose`; without an order, backwards."""
    order = operation.option("perm") or list(reversed(range(len(operation.shape(0)))))
    return lambda data: data.permute(order)


def expand(operation: Operation) -> Run:
    """`Expand` to a constant shape."""
    target = operation.integers(1, "shape") or []
    return lambda data, *operands: data.expand(np.broadcast_shapes(tuple(data.shape), tuple(target)))


def concat(operation: Operation) -> Run:
    """`Concat`."""
    axis = int(operation.option("axis"))
    return lambda *parts: torch.cat(parts, axis)


def split(operation: Operation) -> Run:
    """`Split` by sizes, or into parts of equal size of which the last may be smaller."""
    axis, count = operation.axis(0), len(operation.outputs)
    sizes, length = operation.integers(1, "split"), operation.shape(0)[operation.axis(0)]
    parts = sizes if sizes else -(-length // count)
    return lambda data, *operands: torch.split(data, parts, axis)


def take_slice(operation: Operation) -> Run:
    """`Slice` with constant bounds; steps may be negative."""
    starts, ends = operation.integers(1, "starts") or [], operation.integers(2, "ends") or []
    axes = operation.integers(3, "axes") or list(range(len(starts)))
    steps = operation.integers(4, "steps") or [1] * len(starts)
    sizes = operation.shape(0)
    taken = [
        (axis % len(sizes), range(*_bounds(start, end, step).indices(sizes[axis])))
        for axis, start, end, step in zip(axes, starts, ends, steps, strict=True)
    ]

    def run(data: Tensor, *operands: Tensor | None) -> Tensor:
        for axis, places in taken:
            if places.step == 1:
                data = data.narrow(axis, places.start, len(places))
            else:
                data = data.index_select(axis, torch.tensor(list(places), dtype=torch.int64, device=data.device))
        return data

    return run


def _bounds(start: int, end: int, step: int) -> slice:
    # ONNX goes past the first entry with any number below −size; to Python only None means that.
    return slice(start, None if step < 0 and end < -(2**31) + 1 else end, step)


def gather(operation: Operation) -> Run:
    """`Gather`."""
    axis = operation.axis(0)

    def run(data: Tensor, places: Tensor) -> Tensor:
        flat = places.reshape(-1).to(torch.int64)
        taken = data.index_select(axis, torch.where(flat < 0, flat + data.shape[axis], flat))
        return taken.reshape(*data.shape[:axis], *places.shape, *data.shape[axis + 1 :])

    return run


def pad(operation: Operation) -> Run:
    """`Pad` with a constant, or by repeating what is inside."""
    kind, rank = operation.option("mode", "constant"), len(operation.shape(0))
    given, axes = operation.integers(1, "pads") or [], operation.integers(3, "axes") or list(range(rank))
    pads = [0] * (2 * rank)
    for place, axis in enumerate(axes):
        pads[axis % rank], pads[axis % rank + rank] = given[place], given[place + len(axes)]
    if kind == "constant":
        value = operation.constant(2)
        filler, around = 0 if value is None else value.item(), for_torch(pads)
        return lambda data, *operands: functional.pad(data, around, value=filler)
    how = {"reflect": "reflect", "edge": "edge", "wrap": "wrap"}.get(kind)
    if how is None or min(pads, default=0) < 0:
        operation.refuse(f"mode {kind} with pads {pads}")
    sizes = operation.shape(0)
    places = {
        axis: torch.from_numpy(np.pad(np.arange(sizes[axis]), (pads[axis], pads[axis + rank]), how))  # type: ignore[call-overload]
        for axis in range(rank)
        if pads[axis] or pads[axis + rank]
    }

    def run(data: Tensor, *operands: Tensor | None) -> Tensor:
        for axis, taken in places.items():
            data = data.index_select(axis, taken.to(data.device))
        return data

    return run


def depth_to_space(operation: Operation) -> Run:
    """`DepthToSpace`, blocks before channels (DCR) or after (CRD)."""
    block, by_row = int(operation.option("blocksize")), operation.option("mode", "DCR") == "CRD"

    def run(data: Tensor) -> Tensor:
        frames, channels, height, width = data.shape
        depth = channels // block**2
        if by_row:
            return functional.pixel_shuffle(data, block)
        blocks = data.reshape(frames, block, block, depth, height, width).permute(0, 3, 4, 1, 5, 2)
        return blocks.reshape(frames, depth, height * block, width * block)

    return run


def space_to_depth(operation: Operation) -> Run:
    """`SpaceToDepth`, blocks before channels (DCR) or after (CRD)."""
    block, by_row = int(operation.option("blocksize")), operation.option("mode", "DCR") == "CRD"

    def run(data: Tensor) -> Tensor:
        frames, channels, height, width = data.shape
        blocks = data.reshape(frames, channels, height // block, block, width // block, block)
        moved = blocks.permute(0, 1, 3, 5, 2, 4) if by_row else blocks.permute(0, 3, 5, 1, 2, 4)
        return moved.reshape(frames, channels * block**2, height // block, width // block)

    return run
