"""A report without pictures: the verdict and the tables, as Markdown and on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from etc_edge.core.results import Results
from etc_edge.core.sensitivity import Sensitivity
from etc_edge.report.figures import class_rows, column_titles, figure_rows, subject_titles, with_references
from etc_edge.report.group_section import groups_markdown, print_group_section
from etc_edge.report.subject import Subject
from etc_edge.report.table import conditions, print_results
from etc_edge.report.verdict import verdict

_STYLES = {"good": "green", "bad": "red", "open": "yellow"}


def report_markdown(subjects: Sequence[Subject], title: str, sensitivities: Sequence[Sensitivity] = ()) -> str:
    """Verdicts, all figures side by side, IoU by class, what they were measured on, and the costliest groups."""
    results = [subject.results for subject in subjects]
    columns = with_references(results)
    lines = [f"# {title}", ""]
    for name, one in zip(subject_titles(results), results, strict=True):
        if sentences := verdict(one):
            lines += [f"**{name}**", "", *(f"- {sentence.text}" for sentence in sentences), ""]
    titles = column_titles(columns)
    rows = [*figure_rows(columns), *class_rows(columns)]
    with_change = any(row.change for row in rows)
    table = [("figure", *titles, *(["change"] if with_change else []))]
    table.append(("---", *["---:"] * (len(table[0]) - 1)))
    table += [(row.figure, *row.values, *([row.change] if with_change else [])) for row in rows]
    lines += [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in table]
    lines += ["", *(f"- {line}" for line in conditions(columns))]
    for found in sensitivities:
        lines += ["", *groups_markdown(found)]
    return "\n".join(lines) + "\n"


def print_report(
    results: Sequence[Results], console: Console | None = None, sensitivities: Sequence[Sensitivity] = ()
) -> None:
    """Verdicts first, then the tables."""
    console = console or Console(highlight=False)
    for name, one in zip(subject_titles(results), results, strict=True):
        if sentences := verdict(one):
            console.print(name, style="bold", markup=False)
        for sentence in sentences:
            console.print(f"  {sentence.text}", style=_STYLES[sentence.kind], markup=False, soft_wrap=True)
    print_results(results, classes=True, console=console)
    for found in sensitivities:
        print_group_section(found, console)
