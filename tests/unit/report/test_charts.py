"""Charts are well-formed pictures, and points lie where their values say."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etc_edge.report.axes import BOTTOM, LEFT, RIGHT, TOP, WIDTH, Axes, padded, ticks
from etc_edge.report.charts import (
    MOST_NAMES,
    MOST_POINTS,
    Point,
    dot_chart,
    histogram_chart,
    pareto_chart,
    stage_chart,
    time_chart,
)

TITLES = ("FP32", "INT8 <fast>")


@given(st.floats(-1e4, 1e4), st.floats(1e-3, 1e4), st.integers(2, 8))
def test_ticks_are_round_and_inside(low: float, width: float, about: int) -> None:
    found = ticks(low, low + width, about)
    assert 0 < len(found) <= 2 * about + 2
    tolerance = width * 1e-6 + abs(low) * 1e-9
    assert all(low - tolerance <= value <= low + width + tolerance for value in found)
    if len(found) > 2:
        assert np.allclose(np.diff(found), found[1] - found[0], rtol=1e-3)


def test_corners_of_the_plane() -> None:
    axes = Axes((10, 20), (0, 1), height=200)
    assert axes.at(10, 0) == (LEFT, 200 - BOTTOM)
    assert axes.at(20, 1) == (WIDTH - RIGHT, TOP)
    assert padded([3.0, 3.0])[0] < 3 < padded([3.0, 3.0])[1]


def parsed(svg: str) -> ElementTree.Element:
    root = ElementTree.fromstring(svg)
    assert root.get("role") == "img"
    assert root.find("title") is not None, "for those who cannot see it"
    assert "nan" not in svg
    assert "inf " not in svg
    return root


def test_a_dot_for_every_known_value() -> None:
    root = parsed(dot_chart(TITLES, {"road": [0.9, 0.8], "sky & sea": [None, 0.5]}, "IoU"))
    assert len(root.findall("circle")) == 3
    assert [one.get("class") for one in root.findall("circle")] == ["dot s0", "dot s1", "dot s1"]
    told = [title.text for circle in root.findall("circle") for title in circle.findall("title")]
    assert told[0] == "road, FP32: 90.00%"


def test_a_line_is_broken_where_nothing_was_measured() -> None:
    values = np.array([np.nan, 0.7, 0.8, np.nan, 0.9, 0.6])
    root = parsed(time_chart(TITLES, [values, values - 0.1], [0, 3], "tc"))
    lines = [line for line in root.findall("polyline") if "s0" in str(line.get("class"))]
    assert [len(str(line.get("points")).split()) for line in lines] == [2, 2]
    assert len([line for line in root.findall("line") if line.get("class") == "mark"]) == 1


def test_long_runs_are_drawn_with_a_bounded_number_of_points() -> None:
    svg = time_chart(("one",), [np.linspace(0.5, 0.9, 100_000)], [0], "tc")
    (line,) = parsed(svg).findall("polyline")
    assert len(str(line.get("points")).split()) <= MOST_POINTS


def test_slow_frames_are_counted_and_not_hidden() -> None:
    latencies = np.concatenate([np.full(500, 10.0) + np.linspace(0, 1, 500), [500.0]])
    texts = [text.text for text in parsed(histogram_chart(("one",), [latencies])).iter("text")]
    assert "3 slower, up to 500 ms" in texts
    parsed(histogram_chart(("one",), [np.full(9, 5.0)]))


def test_stages_are_as_wide_as_they_take() -> None:
    root = parsed(stage_chart(TITLES, [{"infer": 30.0, "preprocess": 10.0}, {"infer": 20.0}]))
    wide = [float(str(bar.get("width"))) for bar in root.findall("rect") if bar.get("height") == "24"]
    assert wide[0] == pytest.approx(3 * wide[1], rel=1e-3)
    assert wide[2] == pytest.approx(wide[0] * 2 / 3, rel=1e-3)
    assert wide[3] == 0


def test_the_front_is_what_no_other_beats() -> None:
    points = [
        Point("slow", 20, 0.8, 0.9, 0),
        Point("fast", 10, 0.7, None, 1),
        Point("worse", 21, 0.75, 0.5, 1),
    ]
    root = parsed(pareto_chart(points))
    (front,) = root.findall("polyline")
    assert len(str(front.get("points")).split()) == 2
    assert "slow, tc 90.0%" in [text.text for text in root.iter("text")]


def test_many_points_are_numbered() -> None:
    points = [Point(f"model-{number}", 10 + number / 10, 0.8, None, 1) for number in range(MOST_NAMES + 1)]
    texts = [text for text in parsed(pareto_chart(points)).iter("text") if "name" in str(text.get("class"))]
    assert sorted(str(text.text) for text in texts) == ["1", "2", "3", "4", "5"]
    assert not any(text.text == "1" for text in parsed(pareto_chart(points[1:])).iter("text"))
