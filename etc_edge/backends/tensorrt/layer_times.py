"""Milliseconds of each layer, as TensorRT's profiler reports them."""

from __future__ import annotations

from typing import SupportsFloat

import tensorrt as trt


class LayerTimes(trt.IProfiler):  # type: ignore[misc]  # a class of any type where TensorRT is not installed
    """Sums up what layers take; must outlive the context that reports to it."""

    def __init__(self) -> None:
        super().__init__()
        self.total_ms: dict[str, float] = {}

    def report_layer_time(self, layer_name: str, ms: SupportsFloat) -> None:
        """See trt.IProfiler."""
        self.total_ms[layer_name] = self.total_ms.get(layer_name, 0.0) + float(ms)
