"""`QuantizeLinear` and `DequantizeLinear` where they stand alone; pairs of them are fake quantization."""

from __future__ import annotations

import torch
from torch import Tensor

from etc_edge.torch_graph.operation import Operation, Run

CODES = {"uint8": torch.uint8, "int8": torch.int8, "uint16": torch.uint16, "int16": torch.int16, "int32": torch.int32}
LIMITS = {"uint8": (0, 255), "int8": (-128, 127), "uint16": (0, 65535), "int16": (-32768, 32767)}


def quantize(operation: Operation) -> Run:
    """`QuantizeLinear` with one scale, or one an entry of an axis."""
    operation.expect("block_size", 0)
    operation.expect("output_dtype", 0)
    zero_point = operation.constant(2)
    kind = "uint8" if zero_point is None else zero_point.dtype.name
    if kind not in LIMITS:
        operation.refuse(f"codes of type {kind}")
    spread = _spread(operation)
    low, high = LIMITS[kind]

    def run(data: Tensor, scale: Tensor, zero_point: Tensor | None = None) -> Tensor:
        codes = torch.round(data / spread(scale))
        if zero_point is not None:
            codes = codes + spread(zero_point).to(torch.int32)
        return codes.clamp(low, high).to(torch.int32).to(CODES[kind])

    return run


def dequantize(operation: Operation) -> Run:
    """`DequantizeLinear` with one scale, or one an entry of an axis."""
    operation.expect("block_size", 0)
    operation.expect("output_dtype", 0)
    spread = _spread(operation)

    def run(codes: Tensor, scale: Tensor, zero_point: Tensor | None = None) -> Tensor:
        if codes.dtype not in CODES.values():
            operation.refuse(f"codes of type {codes.dtype}")
        whole = codes.to(torch.int32)
        if zero_point is not None:
            whole = whole - spread(zero_point).to(torch.int32)
        return whole.to(torch.float32) * spread(scale)

    return run


def _spread(operation: Operation) -> _Spread:
    return _Spread(len(operation.shape(0)), operation.axis(1) if len(operation.shape(1)) == 1 else None)


class _Spread:
    """Brings one value an entry of an axis into the shape that spreads over a tensor."""

    def __init__(self, rank: int, axis: int | None) -> None:
        self.shape = None if axis is None else [-1 if place == axis else 1 for place in range(rank)]

    def __call__(self, values: Tensor) -> Tensor:
        """`values` (n,) or () in that shape."""
        return values if self.shape is None or values.numel() == 1 else values.reshape(self.shape)
