"""Charts of a report: classes, steadiness over time, latencies, stages, and the trade between models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from etc_edge.report.axes import BOTTOM, LEFT, RIGHT, TOP, WIDTH, Axes, padded, picture, polyline, ticks
from etc_edge.report.markup import Markup, tag

Float = npt.NDArray[np.float64]

ROW = 21.0
# A line through more points than this is no clearer than one through means of them.
MOST_POINTS = 300
BINS = 40
# More names than these would cover each other: numbers stand in their place.
MOST_NAMES = 4


@dataclass(frozen=True)
class Point:
    """A model in the plane of speed and accuracy; `steadiness` is its tc, None where it was not measured."""

    name: str
    latency_ms: float
    miou: float
    steadiness: float | None
    series: int

    def described(self) -> str:
        """Its name and, where it was measured, its tc."""
        return self.name if self.steadiness is None else f"{self.name}, tc {self.steadiness:.1%}"


def dot_chart(
    titles: Sequence[str], rows: Mapping[str, Sequence[float | None]], what: str, ends: tuple[float, float] = (0.0, 1.0)
) -> Markup:
    """A fraction of every class or clip, a row each with a dot a model; None where a model has none."""
    height = TOP + ROW * len(rows) + BOTTOM - 10
    left = min(170.0, 14 + 6.4 * max(map(len, rows)))

    def across(value: float) -> float:
        return left + (value - ends[0]) / (ends[1] - ends[0]) * (WIDTH - left - RIGHT - 10)

    parts = []
    for value in ticks(*ends, 4):
        x = across(value)
        parts.append(tag("line", x1=x, x2=x, y1=TOP, y2=height - 24, class_="grid"))
        parts.append(tag("text", f"{value * 100:g}%", x=x, y=height - 8, class_="mid"))
    for number, (name, values) in enumerate(rows.items()):
        y = TOP + ROW * (number + 0.5)
        parts.append(tag("text", name, x=left - 8, y=y + 4, class_="end"))
        known = [(series, value) for series, value in enumerate(values) if value is not None]
        if len(known) > 1:
            places = [across(value) for _, value in known]
            parts.append(tag("line", x1=min(places), x2=max(places), y1=y, y2=y, class_="between"))
        for series, value in known:
            dot = tag("title", f"{name}, {titles[series]}: {value:.2%}")
            # The first is a ring that the second stands in where both are alike.
            parts.append(
                tag("circle", dot, cx=across(value), cy=y, r=6 if series == 0 else 4.5, class_=f"dot s{series}")
            )
    return picture(height, f"{what}: {', '.join(titles)}", *parts)


def time_chart(titles: Sequence[str], series: Sequence[Float], clip_starts: Sequence[int], what: str) -> Markup:
    """A figure of every pair of neighbours over all clips, fractions; nan where there is none."""
    seen = np.concatenate([one[~np.isnan(one)] for one in series])
    axes = Axes((0, max(1, len(series[0]) - 1)), padded([float(seen.min()), float(seen.max())], least=0.005))
    parts: list[Markup] = [axes.frame("frame, all clips one behind the other", y_format=".0%")]
    for start in clip_starts[1:]:
        x, _ = axes.at(start, axes.y[0])
        parts.append(tag("line", x1=x, x2=x, y1=TOP, y2=axes.height - BOTTOM, class_="mark"))
    for number, one in enumerate(series):
        places, values = _thinned(one)
        breaks = np.flatnonzero(np.isnan(values))
        for piece_x, piece_y in zip(np.split(places, breaks), np.split(values, breaks), strict=True):
            points = [axes.at(a, b) for a, b in zip(piece_x, piece_y, strict=True) if not np.isnan(b)]
            if points:
                parts.append(polyline(points, f"s{number}"))
    return picture(axes.height, f"{what} over time: {', '.join(titles)}", *parts)


def histogram_chart(titles: Sequence[str], latencies_ms: Sequence[Float]) -> Markup:
    """How often each latency was seen, as shares of frames; what is off the chart is counted in words."""
    together = np.concatenate(list(latencies_ms))
    low, high = float(together.min()), float(np.quantile(together, 0.995))
    high = max(high, low * 1.02 + 1e-3)
    edges = np.linspace(low, high, BINS + 1)
    shares = [np.histogram(one, edges)[0] / len(one) for one in latencies_ms]
    axes = Axes((low, high), (0, max(float(share.max()) for share in shares) * 1.08))
    parts: list[Markup] = [axes.frame("ms a frame", y_format=".0%")]
    for number, share in enumerate(shares):
        steps = [(edges[0], 0.0)]
        for place, value in enumerate(share):
            steps += [(edges[place], float(value)), (edges[place + 1], float(value))]
        steps.append((edges[-1], 0.0))
        points = [axes.at(x, y) for x, y in steps]
        outline = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(tag("polygon", points=outline, class_=f"area s{number}"))
        x, _ = axes.at(float(np.median(latencies_ms[number])), 0)
        parts.append(tag("line", x1=x, x2=x, y1=TOP, y2=axes.height - BOTTOM, class_=f"median s{number}"))
    beyond = [int((one > high).sum()) for one in latencies_ms]
    slow = max(float(one.max()) for one in latencies_ms)
    if any(beyond):
        note = f"{sum(beyond)} slower, up to {slow:.0f} ms"
        parts.append(tag("text", note, x=WIDTH - RIGHT, y=TOP + 10, class_="end soft name"))
    return picture(axes.height, f"Histogram of latencies: {', '.join(titles)}", *parts)


def stage_chart(titles: Sequence[str], stages_ms: Sequence[Mapping[str, float]]) -> Markup:
    """Median milliseconds of each stage, a bar a model."""
    names = list(dict.fromkeys(name for one in stages_ms for name in one))
    longest = max(sum(one.values()) for one in stages_ms) or 1.0
    left = min(170.0, 14 + 6.4 * max(map(len, titles)))
    scale = (WIDTH - left - RIGHT - 52) / longest
    parts: list[Markup] = []
    for row, (title, stages) in enumerate(zip(titles, stages_ms, strict=True)):
        y, x = TOP + row * 34, left
        parts.append(tag("text", title, x=left - 8, y=y + 17, class_="end"))
        for number, name in enumerate(names):
            wide = stages.get(name, 0.0) * scale
            told = tag("title", f"{title}, {name}: {stages.get(name, 0.0):.3g} ms")
            parts.append(tag("rect", told, x=x, y=y, width=wide, height=24, class_=f"stage t{number % 5}"))
            x += wide
        parts.append(tag("text", f"{sum(stages.values()):.3g} ms", x=x + 6, y=y + 17))
    top, x = TOP + len(titles) * 34 + 14, LEFT - 30
    for number, name in enumerate(names):
        parts.append(tag("rect", x=x, y=top - 9, width=11, height=11, class_=f"stage t{number % 5}"))
        parts.append(tag("text", name, x=x + 16, y=top))
        x += 30 + 6.6 * len(name)
    return picture(top + 12, f"Median time of each stage: {', '.join(names)}", *parts)


def pareto_chart(points: Sequence[Point]) -> Markup:
    """Speed against accuracy, steadiness beside each name; a line joins those that no other beats in both.

    More than MOST_NAMES points are numbered in the order that they are given in.
    """
    axes = Axes(
        padded([point.latency_ms for point in points], 0.22, 0.5),
        padded([point.miou for point in points], 0.2, 0.005),
        height=280,
    )
    best = [
        point
        for point in points
        if not any(
            other.latency_ms <= point.latency_ms
            and other.miou >= point.miou
            and (other.latency_ms, other.miou) != (point.latency_ms, point.miou)
            for other in points
        )
    ]
    best.sort(key=lambda point: point.latency_ms)
    parts: list[Markup] = [axes.frame("latency p50, ms: left is faster, up is more accurate", y_format=".1%")]
    if len(best) > 1:
        parts.append(polyline([axes.at(point.latency_ms, point.miou) for point in best], "front"))
    taken: list[tuple[float, float, float]] = []
    numbered = len(points) > MOST_NAMES
    for number, point in sorted(enumerate(points, 1), key=lambda one: -one[1].miou):
        x, y = axes.at(point.latency_ms, point.miou)
        told = tag("title", f"{point.name}: {point.latency_ms:.2f} ms, mIoU {point.miou:.2%}")
        parts.append(tag("circle", told, cx=x, cy=y, r=6, class_=f"dot s{point.series}"))
        name = str(number) if numbered else point.described()
        right = x < WIDTH * 0.55
        wide = 11 + 6.4 * len(name)
        begin, end = (x, x + wide) if right else (x - wide, x)
        # Names move down until they stand on no other.
        text_y = y + 4
        while any(abs(text_y - other) < 13 and begin < last and first < end for other, first, last in taken):
            text_y += 4
        taken.append((text_y, begin, end))
        parts.append(tag("text", name, x=x + (11 if right else -11), y=text_y, class_="name" if right else "name end"))
    return picture(axes.height, "Speed against accuracy", *parts)


def legend(titles: Sequence[str]) -> Markup:
    """The colours of series."""
    return tag(
        "p",
        *(tag("span", tag("i", class_=f"key s{number}"), title) for number, title in enumerate(titles)),
        class_="legend",
    )


def _thinned(values: Float) -> tuple[Float, Float]:
    """Places and values, averaged over neighbours where there are too many to draw."""
    step = -(-len(values) // MOST_POINTS)
    if step == 1:
        return np.arange(len(values), dtype=np.float64), values
    chunks = [values[begin : begin + step] for begin in range(0, len(values), step)]
    means = [float(np.nanmean(chunk)) if (~np.isnan(chunk)).any() else np.nan for chunk in chunks]
    return np.arange(0, len(values), step, dtype=np.float64) + (step - 1) / 2, np.array(means)
