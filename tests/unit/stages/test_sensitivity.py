"""`etc-edge sensitivity`: what it prints, writes, draws, remembers, and refuses."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from etc_edge.cli.main import run
from etc_edge.core.bundle import Bundle
from tests.street_models import DATA, float_bundle, int8_bundle


@pytest.fixture(scope="module")
def floating(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return float_bundle(tmp_path_factory.mktemp("bundles"), "add")


def test_it_measures_every_group_and_goes_on_where_it_was(
    floating: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ETC_EDGE_CACHE", str(tmp_path / "cache"))
    ranges = int8_bundle(floating).ranges_path
    arguments = ["sensitivity", str(floating.path), "--data", DATA, "--ranges", str(ranges), "--frames", "4"]
    arguments += ["--processes", "1", "--json", str(tmp_path / "s.json"), "--plot", str(tmp_path / "s.svg")]
    assert run(arguments) == 0
    shown = capsys.readouterr()
    assert "5 groups on 4 frames of street train" in shown.out
    assert "all groups" in shown.out
    assert "measuring groups: 6/6" in shown.err
    first = json.loads((tmp_path / "s.json").read_text())
    assert [len(group["nodes"]) for group in first["groups"]] == [2, 2, 1, 2, 1]
    assert ElementTree.parse(tmp_path / "s.svg").getroot().tag.endswith("svg")
    journal = next((tmp_path / "cache" / "sensitivity").glob("*.jsonl"))
    lines = journal.read_bytes().splitlines()
    journal.write_bytes(b"\n".join(lines[:3]) + b"\n" + lines[3][:20])
    assert run(arguments) == 0
    shown = capsys.readouterr()
    assert "3 of 6 groups are known from" in shown.err
    assert "measuring groups: 3/3" in shown.err
    again = json.loads((tmp_path / "s.json").read_text())
    assert again["groups"] == first["groups"]
    assert again["whole"] == first["whole"]


def test_what_it_refuses(floating: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["sensitivity", str(floating.path), "--data", DATA]
    assert run([*arguments, "--plot", str(tmp_path / "s.png")]) == 2
    assert "expected one that ends in .svg" in capsys.readouterr().err
    assert run([*arguments, "--split", "trial"]) == 1
    assert run(["sensitivity", str(tmp_path / "none.etc"), "--data", DATA]) == 1
    assert "Found no bundle at" in capsys.readouterr().err
