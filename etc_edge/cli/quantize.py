"""`etc-edge quantize`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from etc_edge.cli.budget import BudgetOptions, budget_options, run_search
from etc_edge.cli.target import grid_option
from etc_edge.core.optional import require

if TYPE_CHECKING:
    from etc_edge.core.bundle import Bundle
    from etc_edge.quantization.refinement import Refinement
    from etc_edge.stages.finetune import FinetuneReport
    from etc_edge.stages.quantize import QuantizeReport
    from etc_edge.stages.quantize_recipe import WholeQuantizeRecipe


@click.command("quantize")
@click.argument("bundle", type=click.Path(path_type=Path), metavar="B.etc")
@click.argument("recipe", required=False)
@click.option("--data", help="Data set to calibrate on: a folder, or synthetic:street.")
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="Q.etc", help="Bundle to write.")
@grid_option
@click.option("--observer", help="minmax, moving_average, percentile, entropy or mse.")
@click.option(
    "--weights", type=click.Choice(["channel", "tensor"]), help="A scale a channel of a weight, or one in all."
)
@click.option("--bias-correction", is_flag=True, help="Take what rounded weights add to the means off the biases.")
@click.option("--steady", is_flag=True, help="Refine ranges on neighbouring frames, for steadier labels.")
@click.option("--frames", type=click.IntRange(min=1), help="Frames to look at, spread over the split.")
@click.option("--split", help="Split to take them from; never the one that you report on.")
@click.option("--list", "list_name", metavar="FILE", help="Calibration list: a path or the name of a shipped one.")
@click.option("--ranges", type=click.Path(path_type=Path), help="Use this ranges.json instead of calibrating.")
@click.option("--keep-float", multiple=True, metavar="OPERATOR", help="Leave an operator in float; may be repeated.")
@click.option(
    "--finetune/--no-finetune",
    "tune",
    default=None,
    help="Train weights and scales further after calibration.  [default: if the recipe has a section finetune]",
)
@click.option("--resume", is_flag=True, help="Go on with a fine-tuning that was interrupted.")
@budget_options
def command(
    bundle: Path,
    recipe: str | None,
    data: str | None,
    out: Path,
    target: str,
    observer: str | None,
    weights: str | None,
    bias_correction: bool,
    steady: bool,
    frames: int | None,
    split: str | None,
    list_name: str | None,
    ranges: Path | None,
    keep_float: tuple[str, ...],
    tune: bool | None,
    resume: bool,
    **budget: Any,
) -> None:
    """Turn an FP32 bundle into an INT8 bundle: by calibration, and by fine-tuning after it.

    RECIPE is a YAML file or the name of a shipped recipe, such as quantize/int8-mse; options go before what it says.

    Fine-tuning learns from labels where the data has them and needs none where it has not: --data may be a video.
    Ctrl-C writes a checkpoint before it stops; --resume goes on from there.

    With --max-miou-drop or --max-tc-drop the recipe is only the first attempt: what costs more is tried until one
    holds the budget, measured on frames held back from the training clips. Ends with 1 where none does.
    """
    require("onnx", "graph", "quantization")
    asked = BudgetOptions(**budget)
    if asked.asked and (ranges is not None or resume):
        raise click.UsageError("Found --ranges or --resume with a budget, expected neither: a search starts anew.")
    if steady and ranges is not None:
        raise click.UsageError(
            "Found --steady with --ranges, expected one of them: ranges that are given stay as they are."
        )
    from etc_edge.cli.settings import progress
    from etc_edge.stages.quantize import quantize

    settled = _settled(recipe, observer, frames, split, list_name, keep_float)
    settled = _with_methods(settled, weights, bias_correction, steady)
    if asked.asked:
        run_search(bundle, out, settled, data, target, tune is not False, asked)
        return
    if settled.finetune is not None if tune is None else tune:
        from etc_edge.stages.finetune import quantize_and_finetune

        report, tuned = quantize_and_finetune(bundle, out, settled, data, target, ranges, resume, progress())
        if report is not None:
            _print_placement(report)
        if tuned.is_first:
            _print_finetuned(tuned)
        return
    if resume:
        raise click.UsageError("Found --resume without fine-tuning, expected --finetune too: calibration starts anew.")
    report = quantize(bundle, out, settled, data, target, ranges, progress())
    _print_placement(report)
    _print_written(report.bundle)


def _settled(
    recipe: str | None,
    observer: str | None,
    frames: int | None,
    split: str | None,
    list_name: str | None,
    keep_float: tuple[str, ...],
) -> WholeQuantizeRecipe:
    import msgspec

    from etc_edge.core.recipe import load_recipe
    from etc_edge.core.shipped import find_shipped
    from etc_edge.stages.quantize_recipe import WholeQuantizeRecipe

    whole = WholeQuantizeRecipe
    settled = whole() if recipe is None else load_recipe(find_shipped("recipes", recipe), whole)
    calibration = settled.calibration
    if list_name is not None:
        calibration = msgspec.structs.replace(calibration, list=list_name)
    elif frames is not None or split is not None:
        calibration = msgspec.structs.replace(
            calibration, list=None, frames=frames or calibration.frames, split=split or calibration.split
        )
    return msgspec.structs.replace(
        settled,
        observer=observer or settled.observer,
        calibration=calibration,
        keep_float=[*settled.keep_float, *keep_float],
    )


def _with_methods(
    recipe: WholeQuantizeRecipe, weights: str | None, bias_correction: bool, steady: bool
) -> WholeQuantizeRecipe:
    import msgspec

    from etc_edge.core.recipe import parse_recipe
    from etc_edge.stages.quantize_recipe import WholeQuantizeRecipe

    asked: dict[str, Any] = {
        "weights": weights or recipe.weights,
        "bias_correction": bias_correction or recipe.bias_correction,
    }
    if steady and recipe.refine is None:
        asked["refine"] = {}
    return parse_recipe({**msgspec.to_builtins(recipe), **asked}, WholeQuantizeRecipe, "the options")


def _print_placement(report: QuantizeReport) -> None:
    from collections import Counter

    placement = report.placement
    click.echo(
        f"{len(placement.int8_nodes)} operators in INT8 with {report.int8_macs:.1%} of the multiply-adds, "
        f"{len(placement.float_nodes)} in float"
    )
    for reason, count in Counter(placement.float_nodes.values()).items():
        click.echo(f"  in float: {count} × {reason}")
    if report.frames:
        click.echo(f"calibrated on {report.frames} frames in {report.seconds:.1f} s")
    if report.refinement is not None:
        _print_refinement(report.refinement)


def _print_refinement(refined: Refinement) -> None:
    error, change = (f"× {after / max(before, 1e-30):.3f}" for before, after in refined.compared())
    found = f"{len(refined.factors)} of the {len(refined.tried)} ranges that cost most"
    click.echo(f"refined {found}: " + ("kept" if refined.kept else "not kept, no better on the pairs held back"))
    click.echo(f"  on pairs held back: squared error of the logits {error}, its change along the motion {change}")


def _print_finetuned(report: FinetuneReport) -> None:
    assert report.bundle is not None
    chosen = f"kept those of step {report.best_step}" if report.best_step else "none did better than calibration"
    click.echo(f"fine-tuned for {report.steps} steps, {chosen}")
    if report.after:
        click.echo("on frames held back from training:   FP32 calibrated fine-tuned")
    for name, value in report.after.items():
        columns = (report.reference.get(name), report.before[name], value)
        click.echo(f"  {name:<30}" + "".join(f"{_percent(column):>10}" for column in columns))
    _print_written(report.bundle)


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.2%}"


def _print_written(bundle: Bundle) -> None:
    click.echo(f"wrote {bundle.path} ({bundle.model_path.stat().st_size / 1e6:.2f} MB model)")
