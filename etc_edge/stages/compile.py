"""Turn a bundle into an engine for a device."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from etc_edge.backends.base import EngineOptions
from etc_edge.backends.compiled import Compiled
from etc_edge.backends.targets import CPU, compiled_for
from etc_edge.core.bundle import Bundle
from etc_edge.core.environment import available_cores
from etc_edge.core.progress import Progress


def compile_bundle(
    bundle: Path,
    target: str = CPU,
    out: Path | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
    **choices: Any,
) -> Compiled:
    """Compile a bundle, or find its compiled form in the cache.

    Args:
        bundle: the bundle's folder.
        target: `cpu`, a backend such as `openvino`, or a device profile such as `jetson-orin`.
        out: where the compiled form goes; None leaves it in the user's cache.
        threads: processor threads of one inference; None takes all that this process may use.
        progress: told what is compiled, chosen or left out.
        choices: other fields of `EngineOptions`, such as `precision`; None leaves one to the target.

    Raises:
        EtcEdgeError: the bundle is missing or changed, or the target cannot run it.
    """
    opened = Bundle.open(bundle)
    opened.verify()
    options = EngineOptions(threads=available_cores() if threads is None else threads, **choices)
    return compiled_for(opened, target, options, progress, out)
