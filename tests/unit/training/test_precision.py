"""Which number format a run computes in."""

from __future__ import annotations

import torch

from etc_edge.core.environment import cpu_flags
from etc_edge.training.precision import autocast, autocast_type

CPU = torch.device("cpu")


def test_auto_follows_the_processor() -> None:
    has_bf16 = bool({"avx512_bf16", "amx_bf16"} & set(cpu_flags()))
    assert autocast_type("auto", CPU) == (torch.bfloat16 if has_bf16 else None)


def test_what_is_asked_for_is_taken() -> None:
    assert autocast_type("fp32", CPU) is None
    assert autocast_type("bf16", CPU) == torch.bfloat16


def test_the_context_computes_in_it() -> None:
    convolution, images = torch.nn.Conv2d(3, 4, 3), torch.zeros(1, 3, 8, 8)
    with autocast(torch.bfloat16, CPU):
        assert convolution(images).dtype == torch.bfloat16
    with autocast(None, CPU):
        assert convolution(images).dtype == torch.float32
