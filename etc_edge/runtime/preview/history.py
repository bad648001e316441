"""The last minutes of a stream, a point a second."""

from __future__ import annotations

from collections import deque

import msgspec

# Ten minutes.
POINTS = 600


class Point(msgspec.Struct, frozen=True, array_like=True):
    """Figures of one second; what is not known is None.

    Args:
        time_s: when, in seconds since 1970.
        fps: frames labelled in that second.
        p50_ms: median latency of the last frames.
        p99_ms: 99th percentile of the same.
        dropped: frames that were not waited for in that second.
        tc: running temporal consistency, as a fraction.
        flicker: running flicker, as a fraction.
        disagreement: running share of pixels with another label than the shadow model's.
    """

    time_s: float
    fps: float
    p50_ms: float | None = None
    p99_ms: float | None = None
    dropped: int = 0
    tc: float | None = None
    flicker: float | None = None
    disagreement: float | None = None


class History:
    """Points in order, the oldest forgotten."""

    def __init__(self, points: int = POINTS) -> None:
        self._points: deque[Point] = deque(maxlen=points)

    def add(self, point: Point) -> None:
        """Take the newest."""
        self._points.append(point)

    def points(self) -> list[Point]:
        """All that are kept."""
        return list(self._points)

    @property
    def newest(self) -> Point | None:
        """The last one, or None where there is none yet."""
        return self._points[-1] if self._points else None
