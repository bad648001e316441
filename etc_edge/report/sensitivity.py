"""What groups cost, as a table on the terminal and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from etc_edge.core.atomic import atomic_file
from etc_edge.core.sensitivity import GroupCost, Sensitivity
from etc_edge.report.axes import RIGHT, TOP, WIDTH, ticks
from etc_edge.report.markup import Markup, tag

ROW = 15.0
SHOWN_CHARACTERS = 44
STYLE = (
    "svg{font:10px system-ui,sans-serif;fill:#1d2127;background:#fff}.grid{stroke:#ebedef}.end{text-anchor:end}"
    ".mid{text-anchor:middle}.noise{fill:#0f7b8a}.soft{fill:#68707c}"
)


@dataclass(frozen=True)
class Row:
    """A group: its share of the multiply-adds, the SNR of the logits, drops, added flicker, agreement; as fractions.

    None stands where something was not measured.
    """

    name: str
    macs: float
    snr_db: float | None
    miou: float | None
    tc: float | None
    flicker: float | None
    agreement: float

    @classmethod
    def of(cls, cost: GroupCost, macs: float) -> Row:
        """The row of what was measured of a group."""
        return cls(cost.name, macs, cost.snr_db, cost.miou, cost.tc, cost.flicker, cost.agreement)


HEADINGS = ("group", "MACs", "SNR dB", "mIoU", "tc", "flicker", "agreement")


def rows_of(found: Sensitivity) -> tuple[list[Row], Row]:
    """Rows of the groups in the order of the network, and that of all together."""
    rows = [Row.of(one.cost, one.macs) for one in found.groups]
    return rows, Row.of(found.whole, sum(row.macs for row in rows))


def costliest_first(rows: Sequence[Row]) -> list[Row]:
    """Rows by the noise that they add."""
    return sorted(rows, key=_snr)


def measured_on(found: Sensitivity) -> str:
    """How many groups were measured, and on what."""
    seen = found.data
    data = " ".join(str(seen[key]) for key in ("name", "split") if key in seen)
    return f"{len(found.groups)} groups on {seen.get('frames', '?')} frames of {data}, each alone in INT8"


def print_groups(rows: Sequence[Row], whole: Row, console: Console | None = None, most: int | None = None) -> None:
    """Print groups, the costliest first and at most so many, then all together; differences in points of a hundred."""
    console = console or Console(highlight=False)
    table = Table(*HEADINGS)
    # Names differ at their ends, which a narrow terminal would cut off.
    table.columns[0].overflow = "fold"
    for column in table.columns[1:]:
        column.justify = "right"
    for row in costliest_first(rows)[:most]:
        table.add_row(*map(escape, cells(row)))
    table.add_section()
    table.add_row(*map(escape, cells(whole)))
    console.print(table)
    console.print("mIoU, tc: points lost; flicker: points added", style="dim")


def save_plot(rows: Sequence[Row], path: Path) -> None:
    """Draw the noise of each group, in the order of the network, as an SVG file, whole or not at all."""
    with atomic_file(path) as temporary:
        temporary.write_text(noise_chart(rows), encoding="utf-8")


def noise_chart(rows: Sequence[Row]) -> Markup:
    """A bar a group: the power of its error as a share of the logits', in decibels; the longer, the more it costs."""
    known = [-row.snr_db for row in rows if row.snr_db is not None] or [0.0]
    low, high = min(known) - 3, max(known) + 1
    left = 20 + 5.2 * max(len(_short(row.name)) for row in rows)
    height = TOP + ROW * len(rows) + 34

    def across(value: float) -> float:
        return left + (value - low) / (high - low) * (WIDTH * 1.6 - left - RIGHT)

    parts: list[Markup] = [tag("style", STYLE)]
    for value in ticks(low, high, 5):
        parts.append(tag("line", x1=across(value), x2=across(value), y1=TOP, y2=height - 30, class_="grid"))
        parts.append(tag("text", f"{value:g}", x=across(value), y=height - 17, class_="mid"))
    for number, row in enumerate(rows):
        y = TOP + ROW * number
        parts.append(tag("text", _short(row.name), x=left - 6, y=y + 10, class_="end"))
        if row.snr_db is not None:
            told = tag("title", f"{row.name}: SNR {row.snr_db:.1f} dB, agreement {row.agreement:.2%}")
            width = max(1.0, across(-row.snr_db) - left)
            parts.append(tag("rect", told, x=left, y=y + 2, width=width, height=ROW - 4, class_="noise"))
    title = "error of the logits against the logits, dB: longer costs more"
    parts.append(tag("text", title, x=WIDTH * 1.6 - RIGHT, y=height - 3, class_="end soft"))
    box = f"0 0 {WIDTH * 1.6:g} {height:g}"
    described = tag("title", "What each group alone adds to the logits")
    return tag("svg", described, *parts, view_box=box, role="img", xmlns="http://www.w3.org/2000/svg")


def cells(row: Row) -> list[str]:
    """A row as text, under HEADINGS."""
    points = [row.miou, row.tc, row.flicker]
    return [
        _short(row.name),
        f"{row.macs:.1%}",
        "-" if row.snr_db is None else f"{row.snr_db:.1f}",
        *("-" if value is None else f"{100 * value:+.2f}" for value in points),
        f"{row.agreement:.2%}",
    ]


def _snr(row: Row) -> float:
    return float("inf") if row.snr_db is None else row.snr_db


def _short(name: str) -> str:
    """The end of a name: its beginning is the same for many."""
    return name if len(name) <= SHOWN_CHARACTERS else f"…{name[1 - SHOWN_CHARACTERS :]}"
