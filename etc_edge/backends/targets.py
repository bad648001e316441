"""What the user calls a target, and the compiled form that it stands for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from etc_edge.backends.base import EngineOptions
from etc_edge.backends.cache import cached, check_engine_path, copy_out
from etc_edge.backends.choice import choose
from etc_edge.backends.compiled import Compiled
from etc_edge.backends.profiles import check_tensorrt, profile_names, resolve
from etc_edge.backends.table import BACKENDS, load_compiler
from etc_edge.core.bundle import Bundle
from etc_edge.core.errors import CompileError
from etc_edge.core.progress import Progress
from etc_edge.core.table import nearest

CPU = "cpu"


def check_target(target: str) -> None:
    """Refuse a target early, before long work.

    Raises:
        CompileError: no such target; the nearest one is suggested.
    """
    known = [CPU, *BACKENDS.names(), *profile_names()]
    if target in known or ":" in target:
        return
    raise CompileError(f"Found no target {target!r}.", nearest(target, known))


def for_target(bundle: Bundle, target: str, options: EngineOptions) -> tuple[str, EngineOptions]:
    """The backend of a target, and the user's choices completed by its device profile where it is one.

    Raises:
        CompileError: the device or the backend cannot do it.
        DependencyError: the backend is not installed.
    """
    if target not in profile_names():
        if target != "tensorrt" and ":" not in target and (wished := options.beyond_threads()):
            names = ", ".join(f"--{name.replace('_', '-')}" for name in wished)
            raise CompileError(
                f"Found {names} for the target {target!r}, which takes none of them.",
                "They are for tensorrt and device profiles.",
            )
        return target, options
    resolved = resolve(target, bundle.precision, options.precision, options.dla_core, options.workspace_mib)
    backend = resolved.profile.backend
    check_tensorrt(resolved, load_compiler(backend).version())
    return backend, replace(
        options, precision=resolved.precision, dla_core=resolved.dla_core, workspace_mib=resolved.workspace_mib
    )


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
        target: `cpu`, a row of the backend table, or a device profile.
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
    backend, options = for_target(bundle, target, options)
    compiled = choose(bundle, options, progress)[0] if target == CPU else cached(bundle, backend, options, progress)
    return compiled if folder is None else copy_out(compiled, folder)
