"""`etc-edge demo`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("demo")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("etc-edge-demo"),
    show_default=True,
    help="Folder to write to.",
)
def command(out: Path) -> None:
    """Take the shipped network the whole way on a synthetic street: quantize, compile, run, evaluate, report.

    Trains nothing, downloads nothing and needs no torch. Writes the INT8 bundle, an annotated video, the results and
    a report of them in one HTML file.
    """
    from etc_edge.cli.settings import progress
    from etc_edge.report.table import print_results
    from etc_edge.stages.demo import demo

    report = demo(out, progress())
    print_results(report.results)
    click.echo(f"video    {report.video}")
    click.echo(f"bundle   {report.int8}")
    click.echo(f"results  {report.results_path}")
    click.echo(f"report   {report.page}")
