"""Running a network: `Segmenter` for applications, and the pipeline behind it."""

from __future__ import annotations

from etc_edge.runtime.segmenter import Segmenter

__all__ = ["Segmenter"]
