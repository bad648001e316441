"""`etc-edge inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from etc_edge.core.optional import require

if TYPE_CHECKING:
    from etc_edge.stages.inspect import InspectReport
    from etc_edge.stages.inspect_engine import EngineReport

MOST_BREAKS = 3


@click.command("inspect")
@click.argument("bundle", type=click.Path(path_type=Path), metavar="B.etc|ENGINE")
@click.option("--operators", is_flag=True, help="Also list every operator that multiplies and adds, by name.")
@click.option("--trust-engine", is_flag=True, help="Load an engine that another installation made; it can run code.")
def command(bundle: Path, operators: bool, trust_engine: bool) -> None:
    """Show what a bundle holds: classes, preprocessing, operators and parameters by stage, what runs in INT8.

    Of an engine that `etc-edge compile --out` wrote: what it was made by and for, and its layers with precisions,
    formats and milliseconds where the vendor tells them.
    """
    from etc_edge.backends.compiled import is_compiled

    if is_compiled(bundle):
        from etc_edge.stages.inspect_engine import inspect_engine

        _print_engine(inspect_engine(bundle, trust_engine))
        return
    require("onnx", "graph", "looking into a bundle")
    from etc_edge.stages.inspect import inspect

    _print(inspect(bundle), operators)


def _print(report: InspectReport, operators: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    manifest, labels, preprocessing = report.bundle.manifest, report.bundle.labels, report.bundle.preprocessing
    rows = {
        "name": f"{manifest.name}, {manifest.precision}",
        "sha256": report.bundle.hash,
        "input": f"{preprocessing.size_hw[0]}x{preprocessing.size_hw[1]} uint8 RGB",
        "classes": f"{len(labels)}: {', '.join(labels.names)}",
        "network's input": f"{preprocessing.color}, mean {_triple(preprocessing.mean_rgb)}, "
        f"std {_triple(preprocessing.std_rgb)}",
        "logits": manifest.logits,
        "operators": ", ".join(f"{count} {name}" for name, count in report.operators.items()),
        "made with": ", ".join(f"{name} {version}" for name, version in manifest.versions.items()),
    }
    if report.int8_macs is not None:
        rows["INT8"] = f"{report.int8_macs:.1%} of the multiply-adds, {report.pairs} quantized activations"
    if report.tensorrt is not None:
        breaks = [one for one in report.tensorrt.breaks if one.macs]
        rows["on TensorRT"] = f"{report.tensorrt.share:.1%} of the multiply-adds stay in INT8" + "".join(
            f"; {one.node}: {one.reason}" for one in breaks[:MOST_BREAKS]
        )
        if len(breaks) > MOST_BREAKS:
            rows["on TensorRT"] += f"; and {len(breaks) - MOST_BREAKS} more: compile --target tensorrt --dry-run"
    console = Console(highlight=False)
    listing = Table.grid(padding=(0, 2))
    listing.add_column()
    listing.add_column(overflow="fold")
    for name, text in rows.items():
        listing.add_row(f"[dim]{name}[/dim]", text)
    console.print(listing)
    table = Table("resolution", *("operators", "multiply-adds", "parameters"))
    for column in table.columns[1:]:
        column.justify = "right"
    for stage in report.stages:
        place = f"1/{stage.stride}" if stage.stride else "no image"
        table.add_row(place, str(stage.nodes), f"{stage.macs / 1e6:,.1f} M", f"{stage.parameters:,}")
    table.add_section()
    macs, parameters = (sum(values) for values in zip(*((s.macs, s.parameters) for s in report.stages), strict=True))
    table.add_row("all", str(sum(s.nodes for s in report.stages)), f"{macs / 1e6:,.1f} M", f"{parameters:,}")
    console.print(table)
    if operators:
        for name, kind, count in report.names:
            console.print(f"{count / 1e6:10.2f} M  {kind:<14} {name}", soft_wrap=True, markup=False)


def _print_engine(report: EngineReport) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    manifest = report.compiled.manifest
    console = Console(highlight=False)
    rows = {
        "name": f"{manifest.name}, {manifest.precision}",
        "engine": f"{manifest.backend} {manifest.backend_version}",
        "device": manifest.device,
        "bundle": manifest.bundle_hash,
        "options": ", ".join(f"{name} {value}" for name, value in manifest.options.items()),
        "layers": ", ".join(f"{count} {name}" for name, count in report.precisions.items())
        or f"{manifest.backend} tells nothing of them",
    }
    listing = Table.grid(padding=(0, 2))
    listing.add_column()
    listing.add_column(overflow="fold")
    for name, text in rows.items():
        listing.add_row(f"[dim]{name}[/dim]", text)
    console.print(listing)
    if not report.layers:
        return
    table = Table("layer", "precision", "reads", "writes", "ms")
    table.columns[-1].justify = "right"
    for layer, milliseconds in report.layers:
        took = "" if milliseconds is None else f"{milliseconds:.3f}"
        table.add_row(escape(layer.name), layer.precision, "; ".join(layer.reads), "; ".join(layer.writes), took)
    console.print(table)


def _triple(values: tuple[float, float, float]) -> str:
    return "/".join(f"{value:g}" for value in values)
