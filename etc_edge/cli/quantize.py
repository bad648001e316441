"""`etc-edge quantize`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from etc_edge.core.optional import require

if TYPE_CHECKING:
    from etc_edge.quantization.recipe import QuantizeRecipe
    from etc_edge.stages.quantize import QuantizeReport


@click.command("quantize")
@click.argument("bundle", type=click.Path(path_type=Path), metavar="B.etc")
@click.argument("recipe", required=False)
@click.option("--data", help="Data set to calibrate on: a folder, or synthetic:street.")
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="Q.etc", help="Bundle to write.")
@click.option("--target", default="cpu", show_default=True, help="Whose grid to use: cpu, tensorrt, …")
@click.option("--observer", help="minmax, moving_average, percentile, entropy or mse.")
@click.option(
    "--weights", type=click.Choice(["channel", "tensor"]), help="A scale a channel of a weight, or one in all."
)
@click.option("--bias-correction", is_flag=True, help="Take what rounded weights add to the means off the biases.")
@click.option("--frames", type=click.IntRange(min=1), help="Frames to look at, spread over the split.")
@click.option("--split", help="Split to take them from; never the one that you report on.")
@click.option("--list", "list_name", metavar="FILE", help="Calibration list: a path or the name of a shipped one.")
@click.option("--ranges", type=click.Path(path_type=Path), help="Use this ranges.json instead of calibrating.")
@click.option("--keep-float", multiple=True, metavar="OPERATOR", help="Leave an operator in float; may be repeated.")
def command(
    bundle: Path,
    recipe: str | None,
    data: str | None,
    out: Path,
    target: str,
    observer: str | None,
    weights: str | None,
    bias_correction: bool,
    frames: int | None,
    split: str | None,
    list_name: str | None,
    ranges: Path | None,
    keep_float: tuple[str, ...],
) -> None:
    """Turn an FP32 bundle into an INT8 bundle by calibration.

    RECIPE is a YAML file or the name of a shipped recipe, such as quantize/int8-mse; options go before what it says.
    """
    require("onnx", "graph", "quantization")
    from etc_edge.cli.settings import progress
    from etc_edge.stages.quantize import quantize

    settled = _with_methods(_settled(recipe, observer, frames, split, list_name, keep_float), weights, bias_correction)
    _print(quantize(bundle, out, settled, data, target, ranges, progress()))


def _settled(
    recipe: str | None,
    observer: str | None,
    frames: int | None,
    split: str | None,
    list_name: str | None,
    keep_float: tuple[str, ...],
) -> QuantizeRecipe:
    import msgspec

    from etc_edge.core.recipe import load_recipe
    from etc_edge.core.shipped import find_shipped
    from etc_edge.quantization.recipe import QuantizeRecipe

    settled = QuantizeRecipe() if recipe is None else load_recipe(find_shipped("recipes", recipe), QuantizeRecipe)
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


def _with_methods(recipe: QuantizeRecipe, weights: str | None, bias_correction: bool) -> QuantizeRecipe:
    import msgspec

    from etc_edge.core.recipe import parse_recipe
    from etc_edge.quantization.recipe import QuantizeRecipe

    asked = {"weights": weights or recipe.weights, "bias_correction": bias_correction or recipe.bias_correction}
    return parse_recipe({**msgspec.to_builtins(recipe), **asked}, QuantizeRecipe, "the options")


def _print(report: QuantizeReport) -> None:
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
    click.echo(f"wrote {report.bundle.path} ({report.bundle.model_path.stat().st_size / 1e6:.2f} MB model)")
