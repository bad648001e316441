"""`etc-edge quantize` with a budget: what it writes, remembers, keeps apart, and refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from etc_edge.cli.main import run
from etc_edge.core.bundle import Bundle
from etc_edge.quantization.ranges import load_ranges
from etc_edge.quantization.search import Budget, Measured, Skipped
from etc_edge.stages.quantize_recipe import WholeQuantizeRecipe
from etc_edge.stages.search import quantize_within
from etc_edge.training.finetuning.recipe import FinetuneRecipe
from etc_edge.training.recipe import DataRecipe
from tests.street_models import float_bundle

DATA = "synthetic:street?size=64x96&frames=8&train=5&val=1"
"""Forty frames to tune on, of which ten are held back."""


@pytest.fixture(scope="module")
def floating(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return float_bundle(tmp_path_factory.mktemp("bundles"), "add")


def arguments(floating: Bundle, out: Path, *more: str) -> list[str]:
    command = ["quantize", str(floating.path), "--data", DATA, "--out", str(out), "--target", "onnxruntime"]
    return [*command, "--no-finetune", *more]


def test_a_budget_that_holds_is_recorded_with_what_was_seen_once(
    floating: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "q.etc"
    assert run(arguments(floating, out, "--max-miou-drop", "100", "--max-tc-drop", "100")) == 0
    shown = capsys.readouterr().out
    assert "looked at val once" in shown
    written = Bundle.open(out)
    written.verify()
    budget = written.manifest.results["budget"]
    assert budget["holds"]
    assert budget["chosen"] == "the recipe"
    assert budget["limits"] == {"miou": 100.0, "tc": 100.0}
    assert budget["held_back"] == {"dataset": "street", "split": "train", "frames": 10}
    assert budget["confidence"] == 0.95
    assert all(one["drop_at_most"][name] >= drop for one in budget["attempts"] for name, drop in one["drop"].items())
    assert all(one["seconds"] > 0 for one in budget["attempts"])
    assert "worst: 95% sure" in shown.replace("\n", " ")
    assert (budget["reported"]["split"], budget["reported"]["frames"], budget["reported"]["tuned_on"]) == ("val", 8, 0)
    # What is held back is not calibrated on.
    assert written.ranges_path is not None
    ranges = load_ranges(written.ranges_path, floating.manifest.files[floating.model_path.name])
    assert ranges.data["frames"] == 30
    assert written.manifest.parents == [floating.hash]


IMPOSSIBLE = ("--max-miou-drop", "-9")


def test_every_step_is_tried_and_the_best_is_kept_where_somebody_asks_for_it(
    floating: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "q.etc"
    careless = ("--observer", "minmax", "--weights", "tensor")
    assert run(arguments(floating, out, *IMPOSSIBLE, *careless, "--keep-best")) == 1
    shown = capsys.readouterr().out
    for tried in ("the recipe", "mse observer", "scales per channel", "bias correction", "of 5 groups in float"):
        assert tried in shown
    assert "not tried: equalisation: the recipe has it" in shown
    assert "Pareto" in shown
    assert f"wrote {out}" in shown
    budget = json.loads((out / "manifest.json").read_text())["results"]["budget"]
    assert not budget["holds"]
    least = min(attempt["drop_at_most"]["miou"] for attempt in budget["attempts"])
    first = next(attempt for attempt in budget["attempts"] if attempt["drop_at_most"]["miou"] == least)
    assert budget["chosen"] == first["name"]
    shares = {attempt["name"]: attempt["int8_macs"] for attempt in budget["attempts"]}
    assert min(share for name, share in shares.items() if "in float" in name) < shares["the recipe"]


def test_nothing_is_written_or_looked_at_where_the_budget_is_broken(
    floating: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("etc_edge.stages.search._Work.steps", lambda work, finetuning: [])
    assert run(arguments(floating, tmp_path / "q.etc", *IMPOSSIBLE)) == 1
    shown = capsys.readouterr().out
    assert "nothing that was tried holds the budget; nothing was written" in shown
    assert "looked at" not in shown
    assert list(tmp_path.iterdir()) == []


def test_frames_that_are_tuned_on_are_reported_only_where_somebody_insists(
    floating: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = arguments(floating, tmp_path / "q.etc", "--max-tc-drop", "100", "--report-split", "train")
    assert run(asked) == 1
    assert "Found 40 frames of split 'train'" in capsys.readouterr().err
    assert run([*asked, "--allow-overlap"]) == 0
    assert "40 of its frames were tuned on: these figures flatter" in capsys.readouterr().out


def test_a_budget_that_frames_are_too_few_for_is_told_before_anything_dear(
    floating: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wide = {"miou": 0.01, "tc": 5.0}

    def measured(work: object, made: object) -> Measured:
        return Measured(drops=dict.fromkeys(wide, 0.0), upper=wide, int8_macs=1.0)

    monkeypatch.setattr("etc_edge.stages.search._Work._measured", measured)
    assert run(arguments(floating, tmp_path / "q.etc", "--max-tc-drop", "4", "--max-miou-drop", "1")) == 1
    shown = capsys.readouterr().out.replace("\n", " ")
    assert "not tried: groups in float: too few frames to tell" in shown
    assert "unclear" in shown
    assert "10 frames are too few to be sure; about 16 would tell: --budget-frames 16" in shown
    assert "nothing that was tried holds the budget for certain; nothing was written" in shown
    assert list(tmp_path.iterdir()) == []


def test_a_point_estimate_decides_where_somebody_asks_for_it(
    floating: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = ("--max-tc-drop", "100", "--budget-frames", "4")
    out = tmp_path / "q.etc"
    assert run(arguments(floating, out, *few)) == 1
    assert "Found fewer than 8 pairs of neighbours" in capsys.readouterr().err
    assert run(arguments(floating, out, *few, "--budget-confidence", "0.5")) == 0
    assert "worst" not in capsys.readouterr().out
    budget = Bundle.open(out).manifest.results["budget"]
    assert budget["confidence"] == 0.5
    assert [one["drop_at_most"] for one in budget["attempts"]] == [one["drop"] for one in budget["attempts"]]


def test_what_it_refuses(floating: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "q.etc"
    budget = ("--max-tc-drop", "1")
    for alone in (("--keep-best",), ("--budget-confidence", "0.9")):
        assert run(arguments(floating, out, *alone)) == 2
        assert "without a budget" in " ".join(capsys.readouterr().err.split())
    assert run(arguments(floating, out, *budget, "--ranges", "r.json")) == 2
    assert "a search starts anew" in capsys.readouterr().err
    assert run(["quantize", str(floating.path), "--out", str(out), *budget]) == 2
    assert "without --data" in capsys.readouterr().err
    assert run([*arguments(floating, out, *budget), "--target", "tensorrt:"]) == 1
    assert run(arguments(floating, out, *budget, "--report-split", "test")) == 1
    assert "Found no split 'test'" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_fine_tuning_has_its_turn_and_is_recorded(
    floating: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("etc_edge.stages.search.RECIPE_STEPS", {})
    monkeypatch.setattr("etc_edge.stages.search._Work._in_float", lambda work, best: Skipped("left out here"))
    tuned = FinetuneRecipe(steps=2, batch_size=1, warmup_steps=0, workers=0, data=DataRecipe(holdout=0.2))
    recipe = WholeQuantizeRecipe(finetune=tuned)
    out, budget = tmp_path / "q.etc", Budget(miou=-100.0)
    report = quantize_within(floating.path, out, recipe, DATA, budget, "onnxruntime", keep_best=True)
    assert [attempt.name for attempt in report.found.attempts] == ["the recipe", "fine-tuning"]
    assert report.found.skipped == (("groups in float", "left out here"),)
    assert [path.name for path in tmp_path.iterdir()] == ["q.etc"]
