"""What a search for a budget tried, as a table on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.table import Table


@dataclass(frozen=True)
class AttemptRow:
    """An attempt.

    Args:
        name: what was tried.
        drops: points lost, by figure.
        upper: how many it may be.
        int8_macs: share of the multiply-adds in INT8.
        verdict: `holds`, `unclear` or `broken`.
        front: whether it is on the Pareto front.
    """

    name: str
    drops: Mapping[str, float]
    upper: Mapping[str, float]
    int8_macs: float
    verdict: str
    front: bool


_TOLD = {"holds": "holds", "unclear": "unclear", "broken": ""}


def print_attempts(
    rows: Sequence[AttemptRow],
    limits: Mapping[str, float],
    confidence: float | None = None,
    console: Console | None = None,
) -> None:
    """Print attempts in the order of trying, under the limits; differences in points of a hundred.

    Args:
        rows: what was tried.
        limits: of the budget, by figure.
        confidence: of the ends that were held against the limits; None where drops were, as measured.
        console: where to; None takes standard output.
    """
    console = console or Console(highlight=False)
    figures = list(dict.fromkeys(name for row in rows for name in row.drops))
    titles = [{"miou": "mIoU"}.get(name, name) for name in figures]
    ends = [] if confidence is None else ["worst"]
    table = Table("tried", *(column for title in titles for column in (title, *ends)), "INT8", "", "")
    for column in table.columns[1:]:
        column.justify = "right"
    bounds = (f"{-limits[name]:+.2f}" if name in limits else "" for name in figures)
    blank = [""] * len(ends)
    table.add_row("budget", *(cell for bound in bounds for cell in (*blank, bound)), "", "", "")
    table.add_section()
    for row in rows:
        cells = [(row.drops[name], row.upper.get(name))[: 1 + len(ends)] for name in figures]
        table.add_row(
            escape(row.name),
            *("" if points is None else f"{-points:+.2f}" for pair in cells for points in pair),
            f"{row.int8_macs:.1%}",
            _TOLD[row.verdict],
            "Pareto" if row.front else "",
        )
    console.print(table)
    told = "points against FP32 on frames that were held back from training clips; INT8: share of the multiply-adds"
    if confidence is not None:
        told += f"; worst: {confidence:.0%} sure to lose no more than that, which is held against the budget"
    console.print(told, style="dim")
