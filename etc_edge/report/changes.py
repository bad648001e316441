"""Changes between two results and what became of gates, on a terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from etc_edge.core.gate import GateOutcome
from etc_edge.metrics.comparison import Change

_STYLES = {"better": "green", "worse": "red", "noise": "dim", "same": "dim", "unknown": "yellow"}
_HEADINGS = ("figure", "before", "now", "change", "verdict")
# Figures that are no fraction of anything, by the beginning of their path.
_PLAIN = ("latency", "relative", "throughput", "energy", "bundle", "peak_memory")


def print_changes(found: Sequence[Change], differing: Sequence[str] = (), console: Console | None = None) -> None:
    """Print a table of changes, then what else differs between the measurements."""
    console = console or Console(highlight=False)
    table = Table()
    for number, heading in enumerate(_HEADINGS):
        table.add_column(heading, justify="left" if number in (0, 4) else "right")
    for change in found:
        # An interval gets a line of its own, so that eighty columns are enough.
        cells = [escape(cell.replace(" [", "\n[")) for cell in change_cells(change)]
        table.add_row(*cells[:-1], f"[{_STYLES[change.verdict]}]{cells[-1]}[/]")
    console.print(table)
    if any(change.interval for change in found):
        console.print("in brackets: 95 % intervals of the change", style="dim")
    if any(change.verdict == "unknown" for change in found):
        console.print("unknown: measured once, or too seldom for an interval", style="dim")
    for sentence in differing:
        console.print(sentence, style="yellow", markup=False, soft_wrap=True)


def print_gates(outcomes: Sequence[GateOutcome], console: Console | None = None) -> None:
    """Print one line a gate."""
    console = console or Console(highlight=False)
    for outcome in outcomes:
        console.print("fails" if outcome.fired else "holds", style="red" if outcome.fired else "green", end="  ")
        console.print(outcome.sentence(), markup=False, soft_wrap=True)


def changes_markdown(found: Sequence[Change]) -> str:
    """The table of changes as Markdown."""
    rows = [_HEADINGS, ("---", "---:", "---:", "---:", "---"), *(change_cells(change) for change in found)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def change_cells(change: Change) -> tuple[str, ...]:
    """One change as text: fractions in percent and their changes in points, others as they are, with a ratio."""
    if change.figure.startswith(_PLAIN):
        ratio = f" (×{change.new / change.machine / change.base:.2f})" if change.base else ""
        cells = (_number(change.base), _number(change.new), f"{_signed(change.difference)}{ratio}")
        show = _signed
    else:
        cells = (f"{change.base:.2%}", f"{change.new:.2%}", _points(change.difference))
        show = _points
    interval = ""
    if change.interval is not None and change.interval[0] != change.interval[1]:
        interval = f" [{show(change.interval[0])}, {show(change.interval[1])}]"
    return (change.figure, *cells[:2], cells[2] + interval, change.verdict)


def _points(value: float) -> str:
    return f"{value * 100:+.2f}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}" if abs(value) < 1 else f"{value:.2f}"


def _signed(value: float) -> str:
    return f"{'+' if value >= 0 else '-'}{_number(abs(value))}"
