"""What groups of a network cost in INT8, as a part of a report: a bar a group, and a table of the costliest."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from etc_edge.core.sensitivity import Sensitivity
from etc_edge.report.axes import BOTTOM, Axes, picture
from etc_edge.report.markup import Markup, join, tag
from etc_edge.report.sensitivity import HEADINGS, Row, cells, costliest_first, measured_on, print_groups, rows_of

SHOWN = 10
NOTE = "mIoU, tc: points lost; flicker: points added."


def group_section(found: Sensitivity) -> Markup:
    """Chart and table; the groups of the table stand out in the chart, and the others fold away."""
    rows, whole = rows_of(found)
    order = costliest_first(rows)
    numbers = {row.name: str(number) for number, row in enumerate(rows, 1)}
    shown, others = order[:SHOWN], order[SHOWN:]
    note = "The taller, the more its INT8 adds to the logits; those of the table stand out."
    drawn = group_chart(rows, shown)
    chart = tag("div", tag("h3", "Error of the logits"), drawn, tag("p", note, class_="soft"), class_="card")
    told = f"{measured_on(found)}; {NOTE}"
    parts = [
        tag("h2", f"What each part of {found.bundle.get('name', 'the network')} costs in INT8"),
        tag("p", told, class_="soft"),
        tag("div", chart, class_="cards"),
        _table(shown, whole, numbers),
    ]
    if others:
        summary = tag("summary", f"The other {len(others)} groups")
        parts.append(tag("details", summary, _table(others, None, numbers)))
    return join(*parts)


def group_chart(rows: Sequence[Row], named: Sequence[Row] = ()) -> Markup:
    """A bar a group in the order of the network: power of the error by that of the logits, in decibels."""
    known = [-row.snr_db for row in rows if row.snr_db is not None] or [0.0]
    axes = Axes((0.5, len(rows) + 0.5), (min(known) - 3, max(known) + 3))
    parts = [axes.frame("group, in the order of the network; dB", x_format=".0f")]
    left, right = axes.at(0.5, 0)[0], axes.at(1.5, 0)[0]
    wide = max(1.0, (right - left) * 0.8)
    floor = axes.height - BOTTOM
    for number, row in enumerate(rows, 1):
        if row.snr_db is None:
            continue
        x, y = axes.at(number, -row.snr_db)
        told = tag("title", f"{number}. {row.name}: SNR {row.snr_db:.1f} dB, agreement {row.agreement:.2%}")
        kind = "t1" if row in named else "t0"
        parts.append(tag("rect", told, x=x - wide / 2, y=y, width=wide, height=max(0.5, floor - y), class_=kind))
    return picture(axes.height, "What each group alone adds to the logits", *parts)


def groups_markdown(found: Sensitivity) -> list[str]:
    """Lines of Markdown: the costliest groups, then all together."""
    rows, whole = rows_of(found)
    table = [HEADINGS, ("---", *["---:"] * (len(HEADINGS) - 1))]
    table += [tuple(cells(row)) for row in [*costliest_first(rows)[:SHOWN], whole]]
    return [
        f"## What each part of {found.bundle.get('name', 'the network')} costs in INT8",
        "",
        f"The costliest of {measured_on(found)}; {NOTE}",
        "",
        *(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in table),
    ]


def print_group_section(found: Sensitivity, console: Console) -> None:
    """The same on a terminal."""
    rows, whole = rows_of(found)
    console.print(f"what parts of {found.bundle.get('name', 'the network')} cost", style="bold", markup=False)
    print_groups(rows, whole, console, SHOWN)
    console.print(f"the costliest of {measured_on(found)}", style="dim", markup=False, soft_wrap=True)


def _table(rows: Sequence[Row], whole: Row | None, numbers: dict[str, str]) -> Markup:
    lines = [(row, numbers[row.name]) for row in rows] + ([] if whole is None else [(whole, "")])
    body = [tag("tr", *(tag("td", cell) for cell in (cells(row)[0], number, *cells(row)[1:]))) for row, number in lines]
    heading = tag("tr", *(tag("th", title) for title in (HEADINGS[0], "no.", *HEADINGS[1:])))
    return tag("div", tag("table", heading, *body), class_="wide groups")
