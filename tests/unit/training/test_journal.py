"""metrics.jsonl, also after an interruption."""

from __future__ import annotations

import json
import math
from pathlib import Path

from etc_edge.training.journal import NAME, Journal


def lines(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / NAME).read_text(encoding="utf-8").splitlines()]


def test_figures_are_appended_and_shown_by_tensorboard(tmp_path: Path) -> None:
    journal = Journal(tmp_path, 0)
    journal.write(10, loss=1.23456789, miou=0.5)
    journal.write(20, loss=math.nan)
    journal.close()
    assert lines(tmp_path) == [{"iteration": 10, "loss": 1.23457, "miou": 0.5}, {"iteration": 20, "loss": None}]
    assert list((tmp_path / "tensorboard").glob("events.*"))


def test_lines_that_will_come_again_are_taken_out(tmp_path: Path) -> None:
    journal = Journal(tmp_path, 0)
    for iteration in (10, 20, 30):
        journal.write(iteration, loss=float(iteration))
    journal.close()
    with (tmp_path / NAME).open("a", encoding="utf-8") as file:
        file.write('{"iteration": 35, "lo')  # killed while writing
    resumed = Journal(tmp_path, 20)
    resumed.write(30, loss=31.0)
    resumed.close()
    assert [(line["iteration"], line["loss"]) for line in lines(tmp_path)] == [(10, 10.0), (20, 20.0), (30, 31.0)]
