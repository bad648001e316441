"""What the tests of a GPU need, and why they cannot run where it is not there."""

from __future__ import annotations

import importlib


def lacking(*modules: str) -> str | None:
    """Why tests that need some modules and a GPU cannot run here; None where they can."""
    for name in modules:
        try:
            importlib.import_module(name)
        except Exception as error:  # a vendor's package fails in ways of its own where its libraries are not there
            return f"no {name}: {' '.join(str(error).split())[:150]}"
    return _no_gpu(modules)


def _no_gpu(modules: tuple[str, ...]) -> str | None:
    if "torch" in modules:
        import torch

        return None if torch.cuda.is_available() else "no GPU that torch can use"
    from etc_edge.backends.tensorrt.cuda import find_gpu
    from etc_edge.core.errors import EngineError

    try:
        find_gpu()
    except EngineError as error:
        return error.message
    return None
