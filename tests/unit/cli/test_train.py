"""`etc-edge train` as a user meets it."""

from __future__ import annotations

from pathlib import Path

import pytest

from etc_edge.cli.main import run

RECIPE = """
network: street_small
input_size_hw: [64, 96]
data: {path: "synthetic:street?size=64x96&frames=2&train=2&truth=no", holdout: 0}
augmentation: {crop_hw: [32, 48]}
schedule: {epochs: 1, batch_size: 4}
workers: 0
"""


def test_a_run_from_recipe_to_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.yaml").write_text(RECIPE, encoding="utf-8")
    assert run(["train", "small.yaml"]) == 0
    shown = capsys.readouterr()
    assert shown.out == "runs/small/model.safetensors: 1 iterations\n"
    assert "loss" in shown.err
    assert "left" in shown.err
    assert run(["train", "small.yaml"]) == 1
    assert "already" in capsys.readouterr().err


def test_mistakes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", str(tmp_path / "none.yaml")]) == 1
    assert "Found no file" in capsys.readouterr().err
    (tmp_path / "wrong.yaml").write_text(RECIPE + "epoch: 3\n", encoding="utf-8")
    assert run(["train", str(tmp_path / "wrong.yaml")]) == 1
    assert "unknown key 'epoch'" in capsys.readouterr().err
    assert run(["train"]) == 2
