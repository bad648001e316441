"""What the user calls a target, and the compiled form that it stands for."""

from __future__ import annotations

from pathlib import Path

from etc_edge.backends.base import EngineOptions
from etc_edge.backends.cache import cached, check_engine_path, copy_out
from etc_edge.backends.choice import choose
from etc_edge.backends.compiled import Compiled
from etc_edge.backends.table import BACKENDS
from etc_edge.core.bundle import Bundle
from etc_edge.core.errors import CompileError
from etc_edge.core.progress import Progress
from etc_edge.core.table import nearest

CPU = "cpu"

# Targets of the plan that this version does not compile for yet.
PLANNED = ("jetson-", "desktop-gpu")


def check_target(target: str) -> None:
    """Refuse a target early, before long work.

    Raises:
        CompileError: no such target; the nearest one is suggested.
    """
    known = [CPU, *BACKENDS.names()]
    if target in known or ":" in target:
        return
    if target.startswith(PLANNED):
        raise CompileError(
            f"Found the target {target!r}, which this version does not compile for, expected one of "
            f"{', '.join(known)}.",
            "An INT8 bundle made now will compile for it without being quantized again.",
        )
    raise CompileError(f"Found no target {target!r}.", nearest(target, known))


def compiled_for(
    bundle: Bundle,
    target: str,
    options: EngineOptions,
    progress: Progress | None = None,
    folder: Path | None = None,
) -> Compiled:
    """The compiled form of a bundle for a target.

    Args:
        bundle: what to compile.
        target: `cpu`, or a row of the backend table.
        options: the user's choices.
        progress: told what is compiled, chosen or left out.
        folder: where to put it; None takes the user's cache.

    Raises:
        CompileError: no such target, or it cannot run the bundle.
        DependencyError: a package is missing.
        BundleError: a file of the bundle changed.
    """
    check_target(target)
    if folder is not None:
        check_engine_path(folder)
    compiled = choose(bundle, options, progress)[0] if target == CPU else cached(bundle, target, options, progress)
    return compiled if folder is None else copy_out(compiled, folder)
