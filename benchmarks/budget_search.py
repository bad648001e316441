"""A network calibrated carelessly, and what the search for a budget makes of it.

python benchmarks/budget_search.py FP32.etc --data camvid --json budget.json
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import click
import msgspec
from measuring.command import Benchmark, keep_to_cores, threads_and_json
from measuring.record import Goal, Record, Table, Watch, finish

from etc_edge.core.bundle import Bundle
from etc_edge.core.progress import console_progress
from etc_edge.quantization.recipe import CalibrationRecipe
from etc_edge.quantization.search import CONFIDENCE, Budget
from etc_edge.stages.quantize_recipe import WholeQuantizeRecipe
from etc_edge.stages.search import quantize_within

MIOU_POINTS, TC_POINTS = 0.3, 0.2
INT8_GOAL = 0.9
CARELESS = {"observer": "minmax", "weights": "tensor", "equalize": False, "bias_correction": False}


@click.command(cls=Benchmark)
@click.argument("fp32", type=click.Path(path_type=Path), metavar="FP32.etc")
@click.option("--data", required=True, help="Data set to calibrate, search and report on.")
@click.option("--frames", type=click.IntRange(min=1), default=300, show_default=True, help="Frames to calibrate on.")
@click.option("--budget-frames", type=click.IntRange(min=2), help="Frames to hold back.  [default: see quantize]")
@click.option("--budget-confidence", type=click.FloatRange(0.5, 0.99), default=CONFIDENCE, show_default=True)
@click.option("--target", default="cpu", show_default=True, help="Whose engine measures.")
@click.option("--finetune/--no-finetune", "tune", default=True, show_default=True, help="Whether that is tried.")
@threads_and_json
def main(
    fp32: Path,
    data: str,
    frames: int,
    budget_frames: int | None,
    budget_confidence: float,
    target: str,
    tune: bool,
    threads: int | None,
    json_path: Path | None,
) -> None:
    """Begin with min-max ranges, one scale a weight and no equalisation; end within 0.3 points of mIoU, 0.2 of tc."""
    cores, progress = keep_to_cores(threads), console_progress()
    watch, bundle = Watch(cores), Bundle.open(fp32)
    recipe = WholeQuantizeRecipe(calibration=CalibrationRecipe(frames=frames), **CARELESS)
    budget = Budget(MIOU_POINTS, TC_POINTS, budget_confidence)
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "out.etc")
        report = quantize_within(
            fp32, out, recipe, data, budget, target, frames=budget_frames, keep_best=True, finetuning=tune,
            progress=progress,
        )  # fmt: skip
        assert report.bundle is not None
        recorded: dict[str, Any] = report.bundle.manifest.results["budget"]
    seconds, chosen = time.perf_counter() - begun, report.found.attempt.measured
    rows = [
        _row(one["name"], one["drop"], one["drop_at_most"], one["int8_macs"], one["seconds"], one["verdict"])
        for one in recorded["attempts"]
    ]
    reported = recorded.get("reported")
    if reported is not None:
        rows.append(_row(f"chosen, on {reported['split']}", reported["drop"], {}, chosen.int8_macs, None, ""))
    # What was searched by flatters; where another split was looked at, the goals are about that.
    where, final = (
        ("frames held back", chosen.drops) if reported is None else (reported["split"], dict(reported["drop"]))
    )
    goals = [
        Goal(name=f"{name} lost on {where}, points", value=final[name], sense="at most", bound=limit)
        for name, limit in budget.limits().items()
    ]
    goals.append(Goal(name="multiply-adds in INT8", value=chosen.int8_macs, sense="at least", bound=INT8_GOAL))
    held_back = recorded["held_back"]
    finish(
        Record(
            benchmark="budget_search",
            title=f"{bundle.name} calibrated carelessly: a budget of 0.3 points of mIoU and 0.2 of tc",
            settings={
                "data": held_back["dataset"],
                "recipe": msgspec.to_builtins(recipe),
                "held_back": held_back,
                "target": target,
                "finetune": tune,
                "confidence": budget_confidence,
            },
            figures={**recorded, "seconds": seconds},
            table=Table(["tried", "mIoU, points", "at worst", "tc, points", "at worst", "MACs in INT8", "s", ""], rows),
            goals=goals,
            notes=[
                f"measured on {held_back['frames']} frames that were held back from split {held_back['split']}; "
                f"{seconds:.0f} s in all",
                *(f"not tried: {name}: {reason}" for name, reason in report.found.skipped),
            ],
            conditions=watch.conditions(),
        ),
        json_path,
    )


def _row(
    name: str, drop: dict[str, float], upper: dict[str, float], int8_macs: float, seconds: float | None, verdict: str
) -> list[str]:
    cells = [
        f"{-points[figure]:+.2f}" if figure in points else "" for figure in ("miou", "tc") for points in (drop, upper)
    ]
    taken = "" if seconds is None else f"{seconds:.0f}"
    return [name, *cells, f"{int8_macs:.1%}", taken, "" if verdict == "broken" else verdict]


if __name__ == "__main__":
    main()
