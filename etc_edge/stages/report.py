"""Make a report of results files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from etc_edge.core.atomic import atomic_file
from etc_edge.core.errors import EtcEdgeError
from etc_edge.core.sensitivity import Sensitivity
from etc_edge.report.page import report_page
from etc_edge.report.subject import Subject, load_sensitivities, load_subjects
from etc_edge.report.text import report_markdown

TITLE = "Accurate and steady?"

_FORMS: dict[str, Callable[[Sequence[Subject], str, Sequence[Sensitivity]], str]] = {
    ".html": report_page,
    ".htm": report_page,
    ".md": report_markdown,
}


def report(files: Sequence[Path], out: Path, title: str = TITLE, sensitivities: Sequence[Path] = ()) -> list[Subject]:
    """Write a report: one HTML file with charts and pictures, or Markdown.

    Args:
        files: results files; pictures that lie beside them are shown.
        out: the file to write, `.html` or `.md`.
        title: its heading.
        sensitivities: what `etc-edge sensitivity` wrote; `*.sensitivity.json` beside results is found by itself.

    Raises:
        ResultsError: a file cannot be read.
        EtcEdgeError: the name of the file says neither, or it cannot be written.
    """
    check_form(out)
    subjects = load_subjects(files)
    groups = load_sensitivities(files, [subject.results for subject in subjects], sensitivities)
    with atomic_file(out) as temporary:
        temporary.write_text(_FORMS[out.suffix](subjects, title, groups), encoding="utf-8")
    return subjects


def check_form(out: Path) -> None:
    """Refuse a file name that names no form of report.

    Raises:
        EtcEdgeError: it ends in none of `.html`, `.htm`, `.md`.
    """
    if out.suffix not in _FORMS:
        raise EtcEdgeError(f"Found the report name {out.name!r}, expected one that ends in {', '.join(_FORMS)}.")
