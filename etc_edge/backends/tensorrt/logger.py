"""What TensorRT says while it works: errors kept for messages of ours, the rest left out."""

from __future__ import annotations

import tensorrt as trt

_KEPT = 50


class Log(trt.ILogger):  # type: ignore[misc]  # a class of any type where TensorRT is not installed
    """Keeps the last errors and warnings; must outlive whatever was given it."""

    def __init__(self) -> None:
        super().__init__()
        self.errors: list[str] = []
        self.warnings: list[str] = []

    def log(self, severity: trt.ILogger.Severity, msg: str) -> None:
        """See trt.ILogger."""
        if severity in (trt.ILogger.Severity.ERROR, trt.ILogger.Severity.INTERNAL_ERROR):
            self.errors = [*self.errors, msg][-_KEPT:]
        elif severity == trt.ILogger.Severity.WARNING:
            self.warnings = [*self.warnings, msg][-_KEPT:]

    def last_error(self) -> str:
        """The last error in one line of at most 400 letters, or that there was none."""
        return " ".join(self.errors[-1].split())[:400] if self.errors else "TensorRT gave no reason"
