"""The plane of a chart: where values lie on it, and its ticks. SVG, coloured by the page's style sheet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from etc_edge.report.markup import Markup, join, tag

WIDTH = 440.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 12.0, 10.0, 34.0


@dataclass(frozen=True)
class Axes:
    """Linear axes.

    Args:
        x: least and greatest value.
        y: likewise.
        height: of the whole picture in its own units; the width is WIDTH.
    """

    x: tuple[float, float]
    y: tuple[float, float]
    height: float = 230.0

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where a point lies."""
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        up = (y - self.y[0]) / (self.y[1] - self.y[0])
        return LEFT + across * (WIDTH - LEFT - RIGHT), self.height - BOTTOM - up * (self.height - TOP - BOTTOM)

    def frame(self, x_title: str, x_format: str = "g", y_format: str = "g") -> Markup:
        """Grid lines, ticks and the title of the x axis."""
        parts = []
        for value in ticks(*self.y, 4):
            _, y = self.at(self.x[0], value)
            parts.append(tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, class_="grid"))
            parts.append(tag("text", format(value, y_format), x=LEFT - 6, y=y + 4, class_="end"))
        for value in ticks(*self.x, 6):
            x, _ = self.at(value, self.y[0])
            parts.append(tag("text", format(value, x_format), x=x, y=self.height - BOTTOM + 15, class_="mid"))
        bottom = self.height - BOTTOM
        parts.append(tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=bottom, y2=bottom, class_="axis"))
        parts.append(tag("text", x_title, x=WIDTH - RIGHT, y=self.height - 4, class_="end soft"))
        return join(*parts)


def picture(height: float, description: str, *parts: str) -> Markup:
    """A whole SVG picture that fits its column; `description` is for those who cannot see it."""
    return tag("svg", tag("title", description), *parts, view_box=f"0 0 {WIDTH:g} {height:g}", role="img")


def polyline(points: Sequence[tuple[float, float]], class_: str) -> Markup:
    """A line through points."""
    return tag("polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in points), class_=f"line {class_}")


def ticks(low: float, high: float, about: int) -> list[float]:
    """Round values between two ends, about so many."""
    raw = (high - low) / max(1, about)
    power = 10 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def padded(values: Sequence[float], share: float = 0.08, least: float = 1e-6) -> tuple[float, float]:
    """Ends of an axis around values, with some air."""
    low, high = min(values), max(values)
    air = max((high - low) * share, least)
    return low - air, high + air
