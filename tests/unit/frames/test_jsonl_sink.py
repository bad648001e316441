"""Figures of each frame as JSON lines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from etc_edge.core.errors import SinkError
from etc_edge.core.labels import LabelSet
from etc_edge.frames.jsonl_sink import JsonlSink
from tests.moving_square import result

TWO = LabelSet(("ramp", "square"), ((20, 60, 200), (230, 180, 20)))


def test_lines_hold_the_figures(tmp_path: Path) -> None:
    with JsonlSink(tmp_path / "out.jsonl", TWO) as sink:
        for index in range(3):
            sink.write(result(index))
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    share = 100 / (48 * 64)
    assert lines[2] == {
        "index": 2,
        "timestamp_s": 0.08,
        "latency_ms": 7.0,
        "shares": {"ramp": pytest.approx(1 - share, abs=1e-5), "square": pytest.approx(share, abs=1e-5)},
    }


def test_writing_after_closing_is_an_error(tmp_path: Path) -> None:
    sink = JsonlSink(tmp_path / "out.jsonl", TWO)
    sink.close()
    with pytest.raises(SinkError, match="closed"):
        sink.write(result(0))
