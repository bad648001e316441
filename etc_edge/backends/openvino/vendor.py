"""The package `openvino`, imported without its reports to the vendor, and its one runtime in a process."""

from __future__ import annotations

import sys
from functools import lru_cache
from typing import Any

from etc_edge.core.optional import require

_REPORTS = "openvino_telemetry"


def import_openvino(purpose: str) -> Any:
    """Import `openvino`.

    Importing it sends a message to its vendor's analytics from a thread of its own, unless the package that does so
    is missing: that package is kept out of sight for the moment.

    Raises:
        DependencyError: it is not installed; `purpose` is what it is needed for.
    """
    seen = sys.modules.pop(_REPORTS, None)
    sys.modules[_REPORTS] = None  # type: ignore[assignment]
    try:
        return require("openvino", "openvino", purpose)
    finally:
        del sys.modules[_REPORTS]
        if seen is not None:
            sys.modules[_REPORTS] = seen


@lru_cache(maxsize=1)
def shared_core() -> Any:
    """The process's `openvino.Core`, made on first use and kept until the process ends.

    A second one must never be: each gives the thread that makes it a stack for signal handlers and takes it away when
    it goes. When the first goes before the second, the thread is left with a stack that is no longer there, and the
    next signal that Python handles ends the process with a segmentation fault (seen with OpenVINO 2026.4).

    Raises:
        DependencyError: it is not installed.
    """
    return import_openvino("the OpenVINO engine").Core()
