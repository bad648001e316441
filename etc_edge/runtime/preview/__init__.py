"""Watching a run in a browser: live labels over the picture, charts, Prometheus metrics and a health check."""

from __future__ import annotations

from etc_edge.runtime.preview.preview import Preview

__all__ = ["Preview"]
