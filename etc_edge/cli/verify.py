"""`etc-edge verify`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("verify")
@click.argument("bundle", type=click.Path(path_type=Path), metavar="B.etc")
@click.option("--target", default="cpu", show_default=True, help="Engine to try the self-test on.")
def command(bundle: Path, target: str) -> None:
    """Check a bundle's files against their hashes, and an engine's labels against the bundle's self-test."""
    from etc_edge.cli.settings import progress
    from etc_edge.stages.verify import verify

    report = verify(bundle, target, progress())
    click.echo(f"files       {len(report.bundle.manifest.files)} as recorded")
    click.echo(f"self-test   {report.agreement:.4f} of the labels as stated, on {report.backend}")
