from __future__ import annotations

import re
import sys

import pytest

from etc_edge.core.progress import PlainLines, Progress, RichBars, Silent, console_progress, track


@pytest.mark.parametrize("progress", [Silent(), PlainLines(), RichBars()])
def test_items_pass_through_in_order(progress: Progress) -> None:
    assert list(track(progress, iter("abc"), "reading", 3)) == ["a", "b", "c"]
    assert list(track(progress, [1, 2], "reading")) == [1, 2]


def test_plain_lines_tell_how_far_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    progress = PlainLines(every_s=0.0)
    progress.say("hello")
    with progress.task("reading", 3) as task:
        task.advance(loss="0.5")
        task.advance(2)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "hello"
    assert re.fullmatch(r"reading: 1/3, loss 0\.5, so far \d+\.\d s", lines[1])
    assert re.fullmatch(r"reading: 3/3, loss 0\.5, took \d+\.\d s", lines[-1])


def test_lines_are_few(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in track(PlainLines(), range(1000), "reading"):
        pass
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_silence(capsys: pytest.CaptureFixture[str]) -> None:
    Silent().say("hello")
    list(track(Silent(), [1], "reading"))
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("terminal", "kind"), [(True, RichBars), (False, PlainLines)])
def test_bars_on_a_terminal_only(terminal: bool, kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    assert isinstance(console_progress(), kind)
