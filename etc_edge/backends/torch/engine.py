"""A program of `torch.export`, loaded for the device that it was exported on."""

from __future__ import annotations

from pathlib import Path

import torch

from etc_edge.backends.labels_head import HeadPlan
from etc_edge.backends.torch_execution import ProgramEngine
from etc_edge.core.errors import EngineError
from etc_edge.torch_graph.program import load_program


def load_engine(path: Path, threads: int, on_gpu: bool, plan: HeadPlan | None) -> ProgramEngine:
    """Load what the compiler wrote: from uint8 `frame` (1, H, W, 3) to uint8 `labels` (1, H, W), or to logits.

    Args:
        path: the program.
        threads: processor threads of one inference.
        on_gpu: whether it was exported on a GPU.
        plan: how logits become labels; None where the program gives labels.

    Raises:
        EngineError: torch refused the file, or the program does not run.
    """
    program, shape = load_program(path)
    if len(shape) != 4 or shape[0] != 1 or shape[3] != 3:
        raise EngineError(f"Found a program for frames of shape {shape} in {path}, expected (1, H, W, 3).")
    return ProgramEngine(program, (shape[1], shape[2]), threads, torch.device("cuda" if on_gpu else "cpu"), plan)
