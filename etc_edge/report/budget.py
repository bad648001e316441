"""What a search for a budget tried, as a table on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.table import Table


@dataclass(frozen=True)
class AttemptRow:
    """An attempt: points lost by figure, share of the multiply-adds in INT8, within the budget, on the Pareto front."""

    name: str
    drops: Mapping[str, float]
    int8_macs: float
    holds: bool
    front: bool


def print_attempts(rows: Sequence[AttemptRow], limits: Mapping[str, float], console: Console | None = None) -> None:
    """Print attempts in the order of trying, under the limits; differences in points of a hundred."""
    console = console or Console(highlight=False)
    figures = list(dict.fromkeys(name for row in rows for name in row.drops))
    table = Table("tried", *({"miou": "mIoU"}.get(name, name) for name in figures), "MACs in INT8", "", "")
    for column in table.columns[1:]:
        column.justify = "right"
    table.add_row("budget", *(f"{-limits[name]:+.2f}" if name in limits else "" for name in figures), "", "", "")
    table.add_section()
    for row in rows:
        table.add_row(
            escape(row.name),
            *(f"{-row.drops[name]:+.2f}" for name in figures),
            f"{row.int8_macs:.1%}",
            "holds" if row.holds else "",
            "Pareto" if row.front else "",
        )
    console.print(table)
    console.print("points against FP32 on frames that were held back from training clips", style="dim")
