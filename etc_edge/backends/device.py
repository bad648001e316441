"""What a compiled form depends on besides the bundle: the processor and the vendor's version."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from etc_edge.core.environment import byte_products_saturate, cpu_flags, cpu_model
from etc_edge.core.errors import DependencyError

if TYPE_CHECKING:
    from etc_edge.graph.lower import Target


def cpu_device() -> str:
    """The processor, in words: compiled forms hold kernels and layouts picked for its instruction sets."""
    return f"{cpu_model()} ({' '.join((platform.machine(), *cpu_flags()))})"


def lowering_here(engine: Literal["onnxruntime", "openvino"]) -> Target:
    """The form of a graph that an engine is given on this processor."""
    saturating: dict[str, Target] = {"onnxruntime": "onnxruntime-saturating", "openvino": "openvino-saturating"}
    return saturating[engine] if byte_products_saturate() else engine


def package_version(distributions: Sequence[str], extra: str, purpose: str) -> str:
    """Version of the first of some distributions that is installed, without importing it.

    Args:
        distributions: names under which the same module is distributed.
        extra: the extra of etc-edge that installs it.
        purpose: what it is needed for.

    Raises:
        DependencyError: none is installed.
    """
    from importlib import metadata  # slow to import, and not needed before an engine is loaded

    for distribution in distributions:
        try:
            return metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    raise DependencyError(
        f"Found no package {distributions[0]!r}, which {purpose} needs.", f'Try: pip install "etc-edge[{extra}]"'
    )
