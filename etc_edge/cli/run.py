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
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option("--target", default="cpu", show_default=True, help="cpu (the faster engine here), onnxruntime, openvino.")
@click.option("--out", type=_FILE, help="Write an overlay video: .mp4, .mov or .mkv.")
@click.option("--labels", type=click.Path(path_type=Path, file_okay=False), help="Write label PNGs to a folder.")
@click.option("--json", "json_path", type=_FILE, help="Write one JSON object a frame.")
@click.option("--steadiness", is_flag=True, help="Add running tc and flicker to the JSON, and when they are unusual.")
@click.option("--frames", type=click.IntRange(min=1), help="Stop after so many frames of each source.")
@click.option("--threads", type=click.IntRange(min=1), help="Threads of one inference; left out, all cores.")
def command(
    model: Path,
    sources: tuple[str, ...],
    target: str,
    out: Path | None,
    labels: Path | None,
    json_path: Path | None,
    steadiness: bool,
    frames: int | None,
    threads: int | None,
) -> None:
    """Run a model on sources of frames.

    The model is a bundle NAME.etc or a folder that `etc-edge compile --out` wrote. SOURCE is a video file, a folder
    or glob of images, a camera's number, an address (rtsp, http, tcp, udp), or synthetic:street. Several sources take
    turns, and each has outputs of its own: out-1.mp4, out-2.mp4. Of what is live only the newest frame is labelled;
    frames that came meanwhile are counted, and a stream that goes away is opened again. Ctrl-C finishes the outputs
    with the frames that are done.
    """
    if steadiness and json_path is None:
        raise click.UsageError("Found --steadiness without --json, expected a file to write it to.")
    from etc_edge.cli.settings import progress
    from etc_edge.stages.run import Outputs, run

    outputs = Outputs(out, labels, json_path, steadiness)
    report = run(model, sources, outputs, target, frames, threads, progress())
    _print(report)
    places = [outputs] if len(sources) == 1 else [outputs.numbered(number) for number in range(1, len(sources) + 1)]
    for place in places:
        for path in (place.video, place.labels, place.json):
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
    if len(report.frames_by_source) > 1:
        click.echo(f"of the sources: {', '.join(map(str, report.frames_by_source))}")
    for stage, count in report.dropped.items():
        click.echo(f"dropped at {stage}: {count}, because newer frames had come")
