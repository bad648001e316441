"""`etc-edge benchmark`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("benchmark")
@click.argument("models", nargs=-1, required=True, metavar="B.etc… [SOURCE]")
@click.option("--target", "targets", multiple=True, help="Engine to time on, once for each; left out, cpu.")
@click.option("--frames", type=click.IntRange(min=1), default=100, show_default=True, help="Frames to measure.")
@click.option("--threads", type=click.IntRange(min=1), help="Threads of one inference; left out, all cores.")
@click.option("--json", "json_path", type=click.Path(path_type=Path, dir_okay=False), help="Write results to a file.")
def command(
    models: tuple[str, ...], targets: tuple[str, ...], frames: int, threads: int | None, json_path: Path | None
) -> None:
    """Time models on engines against each other in one run, taking turns frame by frame.

    Each argument that is a bundle or a compiled engine is a model; the last one may be a SOURCE of frames instead
    (a video, a folder of images, synthetic:street). Without it the first bundle's self-test frames are used.
    Ratios are to the first model on the first target, frame by frame; below 1 is faster.
    """
    from etc_edge.cli.settings import progress
    from etc_edge.core.results import save_results
    from etc_edge.report.table import print_results
    from etc_edge.stages.benchmark import benchmark, split_arguments

    paths, source = split_arguments(models)
    report = benchmark(paths, source, targets or ("cpu",), frames, threads, progress())
    print_results(report.results, report.ratios)
    if json_path is not None:
        save_results(report.results[0] if len(report.results) == 1 else report.results, json_path)
        click.echo(f"results in {json_path}")
