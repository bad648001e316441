"""A deployed graph as a program of `torch.export`: a file that torch runs without ONNX and without this package."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from etc_edge.core.errors import CompileError, EngineError


def export_program(module: nn.Module, example: Tensor) -> ExportedProgram:
    """Trace a module with one input.

    Args:
        module: on the device that it is to run on.
        example: an input, on the same device; its shape is fixed.

    Raises:
        CompileError: torch cannot trace it.
    """
    try:
        with torch.no_grad():
            return torch.export.export(module.eval(), (example,))
    except Exception as error:
        raise CompileError(f"torch {torch.__version__} could not export the graph: {_line(error)}") from error


def save_program(program: ExportedProgram, path: Path) -> None:
    """Write a program.

    Raises:
        CompileError: torch cannot write it.
    """
    try:
        torch.export.save(program, path)
    except Exception as error:
        raise CompileError(f"torch {torch.__version__} could not write {path.name}: {_line(error)}") from error


def load_program(path: Path) -> tuple[nn.Module, tuple[int, ...]]:
    """Read a program, its 4-dimensional weights with channels last, and the shape of its input.

    Raises:
        EngineError: the file is damaged, or of another version of torch.
    """
    try:
        program = torch.export.load(path)
        (name,) = program.graph_signature.user_inputs
        shape = next(node.meta["val"].shape for node in program.graph.nodes if node.name == name)
        module = program.module().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    except Exception as error:
        raise EngineError(f"torch {torch.__version__} could not load {path}: {_line(error)}") from error
    return module, tuple(int(size) for size in shape)


def _line(error: Exception) -> str:
    """The beginning of what torch says, which may be pages."""
    return " ".join(str(error).split())[:300]
