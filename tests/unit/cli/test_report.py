from __future__ import annotations

from pathlib import Path

import pytest

from etc_edge.cli.main import run
from etc_edge.core.results import save_results
from tests.measured_results import fp32, measured


@pytest.fixture
def results(tmp_path: Path) -> str:
    save_results(measured(wrong=0.3, reference=fp32()), tmp_path / "r.json")
    return str(tmp_path / "r.json")


def test_a_page(results: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["report", results, "--out", str(tmp_path / "report.html")]) == 0
    assert (tmp_path / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert "report in " in capsys.readouterr().out


def test_the_terminal_says_the_verdict_first(results: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["report", results]) == 0
    shown = capsys.readouterr().out
    assert shown.index("Accuracy was lost") < shown.index("mIoU  ")
    assert "traffic light" in shown


def test_pictures_need_a_place(tmp_path: Path) -> None:
    assert run(["evaluate", "absent.etc", "--data", "absent", "--pictures"]) == 2
