"""`etc-edge export`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from etc_edge.cli.size import size_hw as parse_size
from etc_edge.core.optional import require


def _triple(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[float, float, float] | None:
    if value is None:
        return None
    try:
        red, green, blue = (float(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter(f"Found {value!r}, expected three numbers such as 123.7,116.3,103.5.") from None
    return red, green, blue


@click.command("export")
@click.argument("source", type=click.Path(path_type=Path), metavar="CHECKPOINT|MODEL.onnx")
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="B.etc", help="Bundle to write.")
@click.option("--name", help="The model's name; left out, the file's.")
@click.option("--classes", type=click.Path(path_type=Path), help="classes.yaml: names, colors, void.")
@click.option("--size", "size_hw", callback=parse_size, metavar="HxW", help="Input size, height first.")
@click.option(
    "--mean",
    "mean_rgb",
    callback=_triple,
    metavar="R,G,B",
    help="Mean of red, green, blue in 0–255; left out, ImageNet's.",
)
@click.option(
    "--std",
    "std_rgb",
    callback=_triple,
    metavar="R,G,B",
    help="Standard deviation likewise; values below 1 mean 0–1 units.",
)
@click.option("--color", type=click.Choice(["rgb", "bgr"]), help="Colour order that the network takes.")
@click.option("--upsampling", type=click.Choice(["align_corners", "half_pixel"]), help="How logits are enlarged.")
@click.option("--network", help="Network of a foreign checkpoint, such as pspnet18.")
def command(
    source: Path,
    out: Path,
    name: str | None,
    classes: Path | None,
    size_hw: tuple[int, int] | None,
    mean_rgb: tuple[float, float, float] | None,
    std_rgb: tuple[float, float, float] | None,
    color: Any,
    upsampling: Any,
    network: str | None,
) -> None:
    """Make an FP32 bundle from a checkpoint or from any ONNX segmentation network.

    An ONNX network has one float NCHW input and one output, the logits, of any resolution. The bundle takes uint8
    frames and gives uint8 labels; its logits are compared with the original's.
    """
    require("onnx", "graph", "export")
    require("onnxsim", "graph", "export")
    from etc_edge.cli.settings import progress
    from etc_edge.stages.export import ExportOptions, export

    if (mean_rgb is None) != (std_rgb is None):
        raise click.UsageError("Found one of --mean and --std, expected both or neither.")
    if mean_rgb is not None and std_rgb is not None and max(std_rgb) < 1.0:
        if max(map(abs, mean_rgb)) > 1.0:
            raise click.UsageError("Found --mean above 1 with --std below 1, expected both in 0–255 or in 0–1 units.")
        mean_rgb, std_rgb = _in_levels(mean_rgb), _in_levels(std_rgb)
        click.echo("took --mean and --std in 0–1 units, since the deviations are below 1")
    options = ExportOptions(name, classes, size_hw, mean_rgb, std_rgb, color, upsampling, network)
    report = export(source, out, options, progress())
    height, width = report.bundle.preprocessing.size_hw
    click.echo(f"logits differ from the original's by {report.difference:.1e} of the largest")
    click.echo(
        f"wrote {report.bundle.path}: {height}x{width}, {len(report.bundle.labels)} classes, "
        f"{report.bundle.model_path.stat().st_size / 1e6:.2f} MB model"
    )


def _in_levels(values: tuple[float, float, float]) -> tuple[float, float, float]:
    return values[0] * 255, values[1] * 255, values[2] * 255
