"""`etc-edge sensitivity`."""

from __future__ import annotations

from pathlib import Path

import click

from etc_edge.cli.target import grid_option
from etc_edge.core.optional import require


@click.command("sensitivity")
@click.argument("bundle", type=click.Path(path_type=Path), metavar="B.etc")
@click.argument("recipe", required=False)
@click.option("--data", required=True, help="Clips to measure on, and to calibrate on without --ranges.")
@click.option("--split", default="train", show_default=True, help="Split to take frames from.")
@click.option("--frames", type=click.IntRange(min=2), default=60, show_default=True, help="Frames to measure on.")
@grid_option
@click.option("--ranges", type=click.Path(path_type=Path), help="Use this ranges.json instead of calibrating.")
@click.option("--processes", type=click.IntRange(min=1), help="That work side by side; left out, one a core.")
@click.option("--again", is_flag=True, help="Measure anew what is remembered from an earlier run.")
@click.option("--json", "json_path", type=click.Path(path_type=Path, dir_okay=False), help="Write figures to a file.")
@click.option("--plot", type=click.Path(path_type=Path, dir_okay=False), help="Draw them into an SVG file.")
def command(
    bundle: Path,
    recipe: str | None,
    data: str,
    split: str,
    frames: int,
    target: str,
    ranges: Path | None,
    processes: int | None,
    again: bool,
    json_path: Path | None,
    plot: Path | None,
) -> None:
    """Measure what each quantized group of an FP32 bundle costs by itself: logits, mIoU, tc, flicker, agreement.

    An interrupted run goes on where it was when it is started again.
    """
    require("onnx", "graph", "sensitivity")
    from etc_edge.cli.settings import progress
    from etc_edge.core.recipe import load_recipe
    from etc_edge.core.sensitivity import save_sensitivity
    from etc_edge.core.shipped import find_shipped
    from etc_edge.quantization.recipe import QuantizeRecipe
    from etc_edge.report.sensitivity import measured_on, print_groups, rows_of, save_plot
    from etc_edge.stages.sensitivity import sensitivity

    if plot is not None and plot.suffix != ".svg":
        raise click.UsageError(f"Found the plot {plot.name!r}, expected one that ends in .svg.")
    settled = QuantizeRecipe() if recipe is None else load_recipe(find_shipped("recipes", recipe), QuantizeRecipe)
    found = sensitivity(
        bundle, data, settled, split, frames, target, ranges, processes, again=again, progress=progress()
    )
    rows, whole = rows_of(found)
    print_groups(rows, whole)
    click.echo(measured_on(found))
    if json_path is not None:
        save_sensitivity(found, json_path)
        click.echo(f"figures in {json_path}")
    if plot is not None:
        save_plot(rows, plot)
        click.echo(f"plot in {plot}")
