"""`etc-edge report`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("report")
@click.argument("files", nargs=-1, required=True, metavar="FILE.json…", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="report.html or report.md to write.")
@click.option("--title", default="Accurate and steady?", show_default=True, help="Heading of the report.")
@click.option(
    "--sensitivity",
    "sensitivities",
    multiple=True,
    metavar="COSTS.json",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also what parts cost; NAME.sensitivity.json beside results is found.",
)
def command(files: tuple[Path, ...], out: Path | None, title: str, sensitivities: tuple[Path, ...]) -> None:
    """Show results: verdict first, then figures, charts and pictures.

    Without --out the verdict and the tables are printed. With --out report.html everything is in one file that needs
    nothing else, with worst frames, flicker maps and a short video where `evaluate --pictures` kept them beside the
    results.
    """
    if out is None:
        from etc_edge.core.results import load_all_results
        from etc_edge.report.subject import load_sensitivities
        from etc_edge.report.text import print_report

        found = [results for file in files for results in load_all_results(file)]
        print_report(found, sensitivities=load_sensitivities(files, found, sensitivities))
        return
    from etc_edge.stages.report import report

    report(files, out, title, sensitivities)
    click.echo(f"report in {out}, {out.stat().st_size / 1e6:.2f} MB")
