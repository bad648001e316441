"""Results as tables on a terminal, FP32 beside INT8."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import UnsetType
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from etc_edge.core.results import Results
from etc_edge.report.figures import (
    Row,
    class_rows,
    column_titles,
    figure_rows,
    load_rows,
    mode_rows,
    stage_rows,
    with_references,
)
from etc_edge.report.timing import condition_lines

# Packages that run a model; the version of the one that did stands under the table.
_ENGINE_PACKAGES = {"onnxruntime": "onnxruntime", "openvino": "openvino", "tensorrt": "tensorrt"}


def print_results(
    results: Results | Sequence[Results],
    ratios: Sequence[float] | None = None,
    classes: bool = False,
    console: Console | None = None,
) -> None:
    """Print figures side by side, then what they were measured on.

    Args:
        results: one or several; a reference gets the column before its model.
        ratios: time of each column as a multiple of the first one's, where it was measured pair by pair.
        classes: also the IoU of every class.
        console: where to; None takes standard output.
    """
    console = console or Console(highlight=False)
    columns = with_references(results)
    rows = figure_rows(columns)
    if ratios is not None and len(columns) > 1:
        rows.append(Row("time against the first", tuple(f"×{ratio:.2f}" for ratio in ratios), ""))
    console.print(_table(columns, rows + mode_rows(columns) + stage_rows(columns)))
    if loads := load_rows(columns):
        console.print(_table(columns, loads))
    if classes and (of_classes := class_rows(columns)):
        console.print(_table(columns, of_classes))
    if any(not isinstance(column.intervals, UnsetType) for column in columns):
        console.print("in brackets: 95 % intervals, by bootstrap over clips, rounds and blocks of frames", style="dim")
    for line in conditions(columns):
        console.print(line, style="dim", soft_wrap=True, markup=False)


def conditions(columns: Sequence[Results]) -> list[str]:
    """What the figures were measured on: data, machine, engines with their versions and threads."""
    lines: dict[str, None] = {}
    for column in columns:
        lines[f"data     {_data(column)}"] = None
        lines[f"machine  {column.device.get('cpu', 'unknown')}, {column.device.get('cores', '?')} cores"] = None
        if not isinstance(column.bundle.target, UnsetType):
            lines[f"engine   {_engine(column)}"] = None
    return [*sorted(lines), *condition_lines(columns, column_titles(columns))]


def _table(columns: Sequence[Results], rows: Sequence[Row]) -> Table:
    table = Table()
    table.add_column("")
    for title in column_titles(columns):
        table.add_column(escape(title), justify="right")
    with_change = any(row.change for row in rows)
    if with_change:
        table.add_column("change", justify="right")
    for row in rows:
        cells = (row.figure, *row.values, *([row.change] if with_change else []))
        # An interval gets a line of its own, so that eighty columns are enough.
        table.add_row(*(escape(cell.replace(" [", "\n[")) for cell in cells))
    return table


def _data(results: Results) -> str:
    data = results.data
    words = [data.name] if isinstance(data.split, UnsetType) else [data.name, data.split]
    counts = [f"{data.frames} frames"]
    if not isinstance(data.clips, UnsetType):
        counts.append(f"{data.clips} {'clip' if data.clips == 1 else 'clips'}")
    if not isinstance(results.temporal, UnsetType) and not isinstance(results.temporal.flow, UnsetType):
        counts.append(f"flow: {results.temporal.flow}")
    return f"{' '.join(words)}, {', '.join(counts)}"


def _engine(results: Results) -> str:
    target = results.bundle.target
    name = "" if isinstance(target, UnsetType) else target
    version = results.versions.get(_ENGINE_PACKAGES.get(name, name), "")
    threads = results.bundle.threads
    count = "" if isinstance(threads, UnsetType) else f", {threads} {'thread' if threads == 1 else 'threads'}"
    return f"{' '.join((name, version)).strip()}{count}"
