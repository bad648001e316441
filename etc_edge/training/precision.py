"""Where training runs and in which number format."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Literal

import torch

from etc_edge.core.environment import cpu_flags


def training_device() -> torch.device:
    """The GPU when torch has one, else the processor."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def autocast_type(precision: Literal["auto", "bf16", "fp32"], device: torch.device) -> torch.dtype | None:
    """bf16 where it is asked for, or by `auto` where the device computes in it; None for float32 throughout."""
    if precision == "auto":
        if device.type == "cuda":
            has_bf16 = torch.cuda.is_bf16_supported()
        else:
            has_bf16 = not {"avx512_bf16", "amx_bf16"}.isdisjoint(cpu_flags())
        precision = "bf16" if has_bf16 else "fp32"
    return torch.bfloat16 if precision == "bf16" else None


def autocast(kind: torch.dtype | None, device: torch.device) -> AbstractContextManager[object]:
    """The context that the forward pass runs in."""
    return torch.autocast(device.type, dtype=kind or torch.bfloat16, enabled=kind is not None)
