"""A program of Torch-TensorRT between the casts that TensorRT does not do."""

from __future__ import annotations

from pathlib import Path

import torch
import torch_tensorrt  # noqa: F401  (registers the operator that runs an engine)
from torch import Tensor

from etc_edge.backends.torch_execution import ProgramEngine
from etc_edge.core.errors import EngineError
from etc_edge.torch_graph.program import load_program


def load_engine(path: Path, threads: int) -> ProgramEngine:
    """Load what the compiler wrote: from uint8 `frame` (1, H, W, 3) to uint8 `labels` (1, H, W).

    Args:
        path: the program, from float16 planes (1, 3, H, W) to class indices (1, H, W).
        threads: processor threads of one inference.

    Raises:
        EngineError: torch refused the file, or the program does not run.
    """
    body, shape = load_program(path)
    if len(shape) != 4 or shape[:2] != (1, 3):
        raise EngineError(f"Found a program for frames of shape {shape} in {path}, expected (1, 3, H, W).")

    def program(frame: Tensor) -> Tensor:
        planes = frame.permute(0, 3, 1, 2).to(torch.float16, memory_format=torch.contiguous_format)
        result = body(planes)
        labels: Tensor = result[0] if isinstance(result, (tuple, list)) else result
        return labels.to(torch.uint8)

    return ProgramEngine(program, (shape[2], shape[3]), threads, torch.device("cuda"))
