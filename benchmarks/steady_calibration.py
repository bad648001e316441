"""Ranges chosen tensor by tensor, by the error of the logits, and by how that error changes between neighbours.

python benchmarks/steady_calibration.py FP32.etc --data camvid --json steady.json
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import click
import msgspec
from measuring.command import Benchmark, keep_to_cores, threads_and_json
from measuring.contender import from_bundle
from measuring.figures import Figures, figures_of
from measuring.record import Goal, Record, Table, Watch, finish

from etc_edge.core.bundle import Bundle
from etc_edge.core.progress import console_progress
from etc_edge.data.dataset import open_dataset
from etc_edge.quantization.recipe import CalibrationRecipe, QuantizeRecipe, RefineRecipe
from etc_edge.stages.evaluate import check_classes
from etc_edge.stages.quantize import quantize

PLAIN, BY_ERROR, STEADY = "observer alone", "refined by error", "refined, steady"
MIOU_GOAL = 0.001


@click.command(cls=Benchmark)
@click.argument("fp32", type=click.Path(path_type=Path), metavar="FP32.etc")
@click.option("--data", required=True, help="Data set to calibrate and refine on (train), and to measure on.")
@click.option("--split", default="val", show_default=True, help="Split to measure on, looked at once.")
@click.option("--frames", type=click.IntRange(min=1), default=300, show_default=True, help="Frames to calibrate on.")
@click.option("--pairs", type=click.IntRange(min=2), default=RefineRecipe().pairs, show_default=True)
@click.option("--tensors", type=click.IntRange(min=1), default=RefineRecipe().tensors, show_default=True)
@click.option("--steadiness", type=click.FloatRange(min=0.0), default=RefineRecipe().steadiness, show_default=True)
@click.option("--observer", default=QuantizeRecipe().observer, show_default=True, help="Whose ranges to start from.")
@click.option("--backend", default="openvino", show_default=True, help="Engine that measures.")
@threads_and_json
def main(
    fp32: Path,
    data: str,
    split: str,
    frames: int,
    pairs: int,
    tensors: int,
    steadiness: float,
    observer: str,
    backend: str,
    threads: int | None,
    json_path: Path | None,
) -> None:
    """Quantize three times from one FP32 bundle, and measure each beside it on a clip that none has looked at."""
    cores, progress = keep_to_cores(threads), console_progress()
    watch, dataset, bundle = Watch(cores), open_dataset(data), Bundle.open(fp32)
    check_classes(bundle.labels, dataset, progress)
    weights = {BY_ERROR: 0.0, STEADY: steadiness}
    refinements: dict[str, RefineRecipe | None] = {PLAIN: None}
    refinements |= {
        name: RefineRecipe(steadiness=weight, pairs=pairs, tensors=tensors) for name, weight in weights.items()
    }
    seconds: dict[str, float] = {}
    told: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        contenders = [from_bundle(bundle, backend, "fp32", cores, progress)]
        for number, (name, refinement) in enumerate(refinements.items()):
            recipe = QuantizeRecipe(observer=observer, calibration=CalibrationRecipe(frames=frames), refine=refinement)
            begun = time.perf_counter()
            made = quantize(fp32, Path(folder, f"{number}.etc"), recipe, data, progress=progress).bundle
            seconds[name] = time.perf_counter() - begun
            told[name] = made.manifest.recipe["quantize"]["data"].get("refined")
            contenders.append(from_bundle(made, backend, name, cores, progress))
        measured = dict(
            zip(["FP32", *refinements], figures_of(contenders, dataset, split, None, progress), strict=True)
        )
    finish(
        Record(
            benchmark="steady_calibration",
            title=f"{bundle.name} on {dataset.name}: ranges refined on neighbouring frames",
            settings={
                "data": dataset.name,
                "split": split,
                "frames": frames,
                "pairs": pairs,
                "tensors": tensors,
                "steadiness": steadiness,
                "observer": observer,
                "backend": backend,
            },
            figures={
                name: {
                    "accuracy": msgspec.to_builtins(one.accuracy),
                    "temporal": one.temporal,
                    "quantize_s": seconds.get(name),
                    "refined": told.get(name),
                }
                for name, one in measured.items()
            },
            table=_table(measured, seconds, told),
            goals=_goals(measured),
            notes=[
                f"{name}: the pairs held back did not find it better; left as {observer} chose it"
                for name in _left(told)
            ],
            conditions=watch.conditions(),
        ),
        json_path,
    )


def _left(told: dict[str, Any]) -> list[str]:
    return [name for name, one in told.items() if one is not None and not one["kept"]]


def _table(measured: dict[str, Figures], seconds: dict[str, float], told: dict[str, Any]) -> Table:
    columns = ["", "mIoU %", "tc %", "flicker %", "agreement %", "error", "its change", "ranges changed", "quantize s"]
    rows = []
    for name, one in measured.items():
        refined = told.get(name)
        shares = ["", "", ""]
        if refined is not None:
            shares = [f"× {refined[f'held_back_{what}']:.3f}" for what in ("error", "change")]
            shares.append(str(len(refined["changed"])))
        figures = (one.accuracy.miou, *(one.temporal[key] for key in ("tc", "flicker", "agreement")))
        took = f"{seconds[name]:.0f}" if name in seconds else ""
        rows.append([name, *(f"{100 * value:.2f}" for value in figures), *shares, took])
    return Table(columns, rows)


def _goals(measured: dict[str, Figures]) -> list[Goal]:
    """What winning means; settled before anything was measured."""
    steady, goals = measured[STEADY], []
    for name in (PLAIN, BY_ERROR):
        other = measured[name]
        for key, sign in (("tc", 1.0), ("flicker", -1.0)):
            gain = sign * (steady.temporal[key] - other.temporal[key])
            goals.append(Goal(name=f"{key}: steady better than {name} by", value=gain, sense="at least", bound=0.0))
    lost = measured[PLAIN].accuracy.miou - steady.accuracy.miou
    return [*goals, Goal(name=f"mIoU: {PLAIN} − steady", value=lost, sense="at most", bound=MIOU_GOAL)]


if __name__ == "__main__":
    main()
