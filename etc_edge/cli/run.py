"""`etc-edge run`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from etc_edge.cli.target import engine_option

if TYPE_CHECKING:
    from etc_edge.runtime.preview import Preview
    from etc_edge.stages.run import RunReport

# As `etc_edge.runtime.preview.address.DEFAULT`, which is too heavy for help.
PREVIEW = "127.0.0.1:8430"
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("run")
@click.argument("model", type=click.Path(path_type=Path), metavar="B.etc|ENGINE")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@engine_option
@click.option(
    "--out",
    "outs",
    multiple=True,
    help="Overlay video: .mp4, .mov, .mkv, rtsp, tcp or udp://…, or null. Repeat it.",
)
@click.option("--labels", type=click.Path(path_type=Path, file_okay=False), help="Write label PNGs to a folder.")
@click.option("--json", "json_path", type=_FILE, help="Write one JSON object a frame.")
@click.option("--steadiness", is_flag=True, help="Add running tc and flicker to the JSON, and when they are unusual.")
@click.option("--frames", type=click.IntRange(min=1), help="Stop after so many frames of each source.")
@click.option("--threads", type=click.IntRange(min=1), help="Threads to infer with; left out, all cores.")
@click.option(
    "--at-once",
    type=click.IntRange(min=1),
    help="Frames to label at the same time, sharing the threads. Left out, up to 4 of files on a processor, else 1.",
)
@click.option(
    "--slow-outputs", type=click.Choice(["wait", "drop"]), help="Left out, files wait for files and nothing else waits."
)
@click.option(
    "--preview",
    metavar="[HOST:PORT]",
    is_flag=False,
    flag_value=PREVIEW,
    help=f"Show it on a web page, at {PREVIEW} unless told. Write it behind the sources.",
)
@click.option(
    "--preview-token",
    envvar="ETC_EDGE_PREVIEW_TOKEN",
    help="What viewers must bring; left out, one is made where other machines can reach the page.",
)
@click.option("--shadow", type=click.Path(path_type=Path), metavar="FP32.etc", help="Show how often it disagrees.")
@click.option("--shadow-every", type=click.IntRange(min=1), default=30, show_default=True, help="Frames between.")
@click.option("--trust-engine", is_flag=True, help="Load an engine that another installation made; it can run code.")
def command(
    model: Path,
    sources: tuple[str, ...],
    target: str,
    outs: tuple[str, ...],
    labels: Path | None,
    json_path: Path | None,
    steadiness: bool,
    frames: int | None,
    threads: int | None,
    at_once: int | None,
    slow_outputs: str | None,
    preview: str | None,
    preview_token: str | None,
    shadow: Path | None,
    shadow_every: int,
    trust_engine: bool,
) -> None:
    """Run a model on sources of frames.

    The model is a bundle NAME.etc or a folder that `etc-edge compile --out` wrote. SOURCE is a video file, a folder
    or glob of images, a camera's number (0?size=720x1280&fps=30), csi://0, gst:// and a GStreamer pipeline, an address
    (rtsp, http, tcp, udp), or synthetic:street. Several sources take turns, and each has outputs of its own: out-1.mp4,
    out-2.mp4. Of what is live only the newest frame is labelled; frames that came meanwhile are counted, and what goes
    away is opened again. ETC_EDGE_DECODER=software keeps FFmpeg from hardware decoders. Ctrl-C finishes the outputs
    with the frames that are done.

    --preview shows it in a browser. From another machine look through `ssh -L 8430:127.0.0.1:8430`, or let the page
    listen for others, --preview 0.0.0.0:8430; it then asks for a token.
    """
    if steadiness and json_path is None:
        raise click.UsageError("Found --steadiness without --json, expected a file to write it to.")
    if shadow is not None and preview is None:
        raise click.UsageError("Found --shadow without --preview, expected a page to show it on.")
    from etc_edge.cli.settings import progress
    from etc_edge.stages.run import Outputs, ShadowOptions, run

    if trust_engine:
        from etc_edge.backends.compiled import Compiled

        Compiled.open(model).trust()
    outputs = Outputs(None, labels, json_path, steadiness, outs)
    wait = None if slow_outputs is None else slow_outputs == "wait"
    compared = None if shadow is None else ShadowOptions(shadow, shadow_every)
    with _page(preview, preview_token) as page:
        report = run(model, sources, outputs, target, frames, threads, progress(), wait, page, compared, at_once)
    _print(report)
    places = [outputs] if len(sources) == 1 else [outputs.numbered(number) for number in range(1, len(sources) + 1)]
    for place in places:
        for path in (*place.videos, place.labels, place.json):
            if path is not None:
                click.echo(f"wrote {path}")


@contextmanager
def _page(address: str | None, token: str | None) -> Iterator[Preview | None]:
    if address is None:
        yield None
        return
    from etc_edge.runtime.preview import Preview

    with Preview(address, token) as preview:
        # With --quiet too: a token that was made is known from nowhere else.
        click.echo(f"preview at {preview.url}", err=True)
        yield preview


def _print(report: RunReport) -> None:
    from rich.console import Console
    from rich.table import Table

    threads = f"{report.threads} {'thread' if report.threads == 1 else 'threads'}"
    threads = threads if report.at_once == 1 else f"{report.at_once} frames at once, {threads} each"
    decoders = ", ".join(dict.fromkeys(filter(None, report.decoders)))
    decoded = f", decoded by {decoders}" if decoders else ""
    table = Table(caption=f"{report.model} on {report.backend}, {threads}{decoded}", caption_justify="left")
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
        click.echo(f"dropped at {stage}: {count}, because newer ones had come")
