"""Groups of a network in a report: a bar each, the taller the costlier."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from etc_edge.report.group_section import group_chart
from etc_edge.report.sensitivity import Row


def row(name: str, snr_db: float | None) -> Row:
    return Row(name, 0.1, snr_db, None, None, None, 0.99)


def test_bars_are_as_tall_as_the_error() -> None:
    rows = [row("a", 30.0), row("b & c", 20.0), row("exact", None), row("d", 40.0)]
    root = ElementTree.fromstring(group_chart(rows, rows[1:2]))
    bars = root.findall("rect")
    heights = [float(str(bar.get("height"))) for bar in bars]
    assert len(bars) == 3, "a group without error has no bar"
    assert heights[1] - heights[0] == pytest.approx(heights[0] - heights[2], abs=0.03)
    assert [bar.get("class") for bar in bars] == ["t0", "t1", "t0"]
    assert str(bars[1].findtext("title")).startswith("2. b & c: SNR 20.0 dB")


def test_a_network_without_any_error() -> None:
    assert ElementTree.fromstring(group_chart([row("exact", None)])).findall("rect") == []
