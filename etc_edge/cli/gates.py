"""Options of commands that hold results to gates, and how they end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from etc_edge.core.gate import Gate
    from etc_edge.stages.compare import Comparison

Command = TypeVar("Command", bound=Callable[..., Any])


def gate_options(command: Command) -> Command:
    """Add `--fail-if`, `--junit` and `--github` to a command."""
    for option in (
        click.option("--github", is_flag=True, help="Also print gates as annotations of GitHub Actions."),
        click.option(
            "--junit", "junit_path", type=click.Path(path_type=Path, dir_okay=False), help="Write gates as JUnit XML."
        ),
        click.option(
            "--fail-if",
            "conditions",
            multiple=True,
            metavar="EXPR",
            help="End with 1 where this holds, such as 'drop.tc > 0.003' or 'latency_ms.p99 > 1.05 * "
            "base.latency_ms.p99'; once for each gate.",
        ),
    ):
        command = option(command)
    return command


def read_gates(conditions: tuple[str, ...], with_base: bool) -> list[Gate]:
    """Read gates before any work is done.

    Raises:
        GateError: one cannot be read.
        click.UsageError: one names the base and there is none.
    """
    from etc_edge.core.gate import Gate

    gates = [Gate.parse(condition) for condition in conditions]
    for gate in gates:
        if gate.needs_base and not with_base:
            raise click.UsageError(f"Found {gate.expression!r} without results to compare with.")
    return gates


def finish(comparison: Comparison, junit_path: Path | None, github: bool, markdown: bool = False) -> None:
    """Print changes and gates, write what CI reads, and end with 1 where a gate fired."""
    from etc_edge.report.changes import changes_markdown, print_changes, print_gates
    from etc_edge.report.gate_reports import github_annotations, write_junit

    if comparison.base is not None and markdown:
        click.echo(changes_markdown(comparison.changes), nl=False)
    elif comparison.base is not None:
        print_changes(comparison.changes, comparison.differing)
    print_gates(comparison.gates)
    if junit_path is not None:
        write_junit(comparison.gates, comparison.new.bundle.name, junit_path)
    if github:
        for line in github_annotations(comparison.gates):
            click.echo(line)
    if not comparison.holds:
        click.get_current_context().exit(1)
