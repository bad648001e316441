"""`etc-edge benchmark`."""

from __future__ import annotations

from pathlib import Path

import click

from etc_edge.cli.size import parse_sizes

NONE = "none"


@click.command("benchmark")
@click.argument("models", nargs=-1, required=True, metavar="B.etc… [SOURCE]")
@click.option("--target", "targets", multiple=True, help="Engine to time on, once for each; left out, cpu.")
@click.option("--frames", type=click.IntRange(min=1), help="Measure exactly so many; left out, until precise.")
@click.option(
    "--precision",
    type=click.FloatRange(min=0, min_open=True),
    default=2.0,
    show_default=True,
    metavar="PERCENT",
    help="Stop when the 95 % interval of the median is ± so many per cent, and that of p99 ± five times as many.",
)
@click.option(
    "--at-most", "at_most_s", type=click.FloatRange(min=1), default=60.0, show_default=True, help="Seconds of timing."
)
@click.option("--threads", type=click.IntRange(min=1), help="Threads of one inference; left out, all cores.")
@click.option(
    "--rate",
    "rates",
    type=click.FloatRange(min=0, min_open=True),
    multiple=True,
    metavar="FPS",
    help="Also let frames arrive by the clock.",
)
@click.option("--streams", type=click.IntRange(min=1), default=1, help="Also 1 to N engines at the same time.")
@click.option("--threads-up-to", type=click.IntRange(min=1), default=1, help="Also 1 to N threads of one inference.")
@click.option(
    "--size", "sizes_hw", multiple=True, callback=parse_sizes, metavar="HxW", help="Export checkpoints at this size."
)
@click.option(
    "--yardstick", default=None, metavar="B.etc|none", help="Timed along to compare runs; left out, a shipped network."
)
@click.option("--json", "json_path", type=click.Path(path_type=Path, dir_okay=False), help="Write results to a file.")
def command(
    models: tuple[str, ...],
    targets: tuple[str, ...],
    frames: int | None,
    precision: float,
    at_most_s: float,
    threads: int | None,
    rates: tuple[float, ...],
    streams: int,
    threads_up_to: int,
    sizes_hw: tuple[tuple[int, int], ...],
    yardstick: str | None,
    json_path: Path | None,
) -> None:
    """Time models on engines against each other in one run, taking turns frame by frame.

    Each argument that is a bundle or a compiled engine is a model (with --size also a checkpoint or an ONNX file); the
    last one may be a SOURCE of frames instead (a video, a folder of images, synthetic:street). Without it the first
    bundle's self-test frames are used. Ratios are to the first model on the first target, frame by frame; below 1 is
    faster. To compare two models give both: `compare` then tells their difference turn by turn.
    """
    from etc_edge.benchmark.rounds import Effort
    from etc_edge.benchmark.yardstick import SHIPPED
    from etc_edge.cli.settings import progress
    from etc_edge.core.results import save_results
    from etc_edge.report.table import print_results
    from etc_edge.stages.benchmark import Load, benchmark, split_arguments

    asked = {"latency_ms.p50": precision / 100, "latency_ms.p99": 5 * precision / 100}
    paths, source = split_arguments(models, checkpoints=bool(sizes_hw))
    stick = SHIPPED if yardstick is None else None if yardstick == NONE else Path(yardstick)
    report = benchmark(
        paths,
        source,
        targets or ("cpu",),
        Effort(frames, asked, at_most_s),
        threads,
        progress(),
        yardstick=stick,
        load=Load(rates, streams, threads_up_to),
        sizes_hw=sizes_hw,
    )
    print_results(report.results, report.ratios)
    if json_path is not None:
        save_results(report.results[0] if len(report.results) == 1 else report.results, json_path)
        click.echo(f"results in {json_path}")
