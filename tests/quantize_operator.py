"""NVIDIA's operator `tensorrt::quantize_op` on the CPU: its schema as modelopt has it, its numbers as TensorRT's."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor

# As `modelopt/torch/quantization/tensor_quant.py` defines it; test_vendor_sources.py compares.
SCHEMA = "(Tensor input, Tensor amax, int num_bits, int exponent_bits, bool unsigned, bool narrow_range) -> Tensor"


def quantize(data: Tensor, amax: Tensor, num_bits: int, exponent_bits: int, unsigned: bool, narrow: bool) -> Tensor:
    """Q and DQ layers of TensorRT: scale amax / 127, halves to even, codes from −128 to 127."""
    assert (num_bits, exponent_bits, unsigned, narrow) == (8, 0, False, False)
    scale = (amax / 127).to(torch.float32)
    return (torch.clamp(torch.round(data.float() / scale), -128, 127) * scale).to(data.dtype)


@cache
def registered() -> Any:
    """The operator; registered once a process, unless modelopt did."""
    if not hasattr(torch.ops.tensorrt, "quantize_op"):
        torch.library.define("tensorrt::quantize_op", SCHEMA)
        torch.library.impl("tensorrt::quantize_op", "CPU")(quantize)
        torch.library.register_fake("tensorrt::quantize_op")(lambda data, *settings: torch.empty_like(data))
    return torch.ops.tensorrt.quantize_op.default
