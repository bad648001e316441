"""`etc-edge compare`."""

from __future__ import annotations

from pathlib import Path

import click

from etc_edge.cli.gates import gate_options


@click.command("compare")
@click.argument("files", nargs=-1, required=True, metavar="[BEFORE.json] NOW.json", type=click.Path(path_type=Path))
@click.option("--markdown", is_flag=True, help="Print the table as Markdown.")
@gate_options
def command(
    files: tuple[Path, ...], markdown: bool, conditions: tuple[str, ...], junit_path: Path | None, github: bool
) -> None:
    """Compare two results files, and hold the second to gates.

    The table says which changes are outside the noise: paired by frame where both files were measured on the same
    frames, otherwise from the two intervals. In a gate, names are paths of the second file, and base.NAME those of
    the first; low(NAME) and high(NAME) are the ends of its 95 % interval. With one file only gates are worked out;
    where that file holds two results of one `benchmark` run, the second is compared with the first, turn by turn.
    Ends with 1 when a gate fires, with 2 when one cannot be decided.
    """
    from etc_edge.cli.gates import finish, read_gates
    from etc_edge.core.results import load_all_results
    from etc_edge.stages.compare import compare

    if len(files) > 2:
        raise click.UsageError(f"Found {len(files)} files, expected one or two.")
    gates = read_gates(conditions, with_base=True)
    found = [results for path in files for results in load_all_results(path)]
    if len(files) == 1 and len(found) == 1 and not gates:
        raise click.UsageError("Found one file and no --fail-if, expected two files to compare or a gate.")
    if len(found) > 2 or len(found) < len(files):
        raise click.UsageError(f"Found results of {len(found)} models, expected those of one or two.")
    *before, now = found
    finish(compare(now, before[0] if before else None, gates), junit_path, github, markdown)
