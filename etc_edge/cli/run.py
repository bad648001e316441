"""`etc-edge run`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from etc_edge.stages.run import RunReport

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("run")
@click.argument("model", type=click.Path(path_type=Path), metavar="B.etc|ENGINE")
@click.argument("source")
@click.option("--target", default="cpu", show_default=True, help="cpu (the faster engine here), onnxruntime, openvino.")
@click.option("--out", type=_FILE, help="Write an overlay video: .mp4, .mov or .mkv.")
@click.option("--labels", type=click.Path(path_type=Path, file_okay=False), help="Write label PNGs to a folder.")
@click.option("--json", "json_path", type=_FILE, help="Write one JSON object a frame.")
@click.option("--frames", type=click.IntRange(min=1), help="Stop after so many frames.")
@click.option("--threads", type=click.IntRange(min=1), help="Threads of one inference; left out, all cores.")
def command(
    model: Path,
    source: str,
    target: str,
    out: Path | None,
    labels: Path | None,
    json_path: Path | None,
    frames: int | None,
    threads: int | None,
) -> None:
    """Run a model on a source of frames.

    The model is a bundle NAME.etc or a folder that `etc-edge compile --out` wrote. SOURCE is a video file, a folder
    or glob of images, or synthetic:street. Ctrl-C finishes the outputs with the frames that are done.
    """
    from etc_edge.cli.settings import progress
    from etc_edge.stages.run import Outputs, run

    report = run(model, source, Outputs(out, labels, json_path), target, frames, threads, progress())
    _print(report)
    for path in (out, labels, json_path):
        if path is not None:
            click.echo(f"wrote {path}")


def _print(report: RunReport) -> None:
    from rich.console import Console
    from rich.table import Table

    threads = f"{report.threads} {'thread' if report.threads == 1 else 'threads'}"
    table = Table(caption=f"{report.model} on {report.backend}, {threads}", caption_justify="left")
    table.add_column("ms per frame")
    for heading in ("mean", "p50", "p99", "max"):
        table.add_column(heading, justify="right")
    for stage, ms in report.stages_ms.items():
        table.add_row(stage, *(f"{value:.2f}" for value in (ms.mean, ms.p50, ms.p99, ms.max)))
    Console(highlight=False).print(table)
    frames = f"{report.frames} {'frame' if report.frames == 1 else 'frames'}"
    click.echo(f"{frames} in {report.seconds:.1f} s: {report.fps:.1f} frames per second, decoding and writing included")
