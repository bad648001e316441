"""The package `openvino`, imported without its reports to the vendor."""

from __future__ import annotations

import sys
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
