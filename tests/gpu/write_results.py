"""Run all of tests/gpu and put what came out, with date, device and versions, into docs/gpu-results.md.

python -m tests.gpu.write_results
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from xml.etree import ElementTree

import click

from etc_edge.backends.board import Board, read_board
from etc_edge.core.atomic import atomic_file

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = REPOSITORY / "docs" / "gpu-results.md"
FOLDER = REPOSITORY / "tests" / "gpu"

MEASURED = "## Measured"
DISTRIBUTIONS = ("torch", "tensorrt", "tensorrt-cu13", "tensorrt-cu12", "pycuda", "torch-tensorrt", "nvidia-modelopt")


@dataclass(frozen=True)
class Case:
    """A test: `outcome` is passed, failed or skipped, `words` the figures that it recorded or the reason."""

    name: str
    outcome: str
    words: str


@click.command()
@click.option("--page", type=click.Path(path_type=Path, dir_okay=False), default=PAGE, help="Where to write.")
@click.argument("pytest_arguments", nargs=-1)
def main(page: Path, pytest_arguments: tuple[str, ...]) -> None:
    """Run the tests of a GPU and write a section of the page; PYTEST_ARGUMENTS are passed on, behind `--`.

    Ends with 1 where a test failed, and where none could run: then nothing is written.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", str(FOLDER), f"--junitxml={report}", *pytest_arguments]
        code = subprocess.run(command, cwd=REPOSITORY, check=False).returncode
        if not report.is_file():
            raise click.ClickException(f"Found pytest ending with {code} and no report.")
        cases = read_cases(report.read_text(encoding="utf-8"))
    add_to_page(page, cases)
    click.echo(f"wrote {page}: take from its list of what never ran what a test above has now shown")
    sys.exit(min(1, code))


def add_to_page(page: Path, cases: list[Case]) -> None:
    """Put a section about this machine into the page.

    Raises:
        ClickException: no test could run here.
    """
    if all(case.outcome == "skipped" for case in cases):
        reasons = "; ".join(dict.fromkeys(case.words for case in cases))
        raise click.ClickException(f"Found no test of a GPU that can run here ({reasons}); the page stays as it is.")
    section = to_section(datetime.now(timezone.utc).date().isoformat(), device(read_board()), versions(), cases)
    with atomic_file(page) as unfinished:
        unfinished.write_text(with_section(page.read_text(encoding="utf-8"), section), encoding="utf-8")


def read_cases(report: str) -> list[Case]:
    """Tests of a report as pytest's `--junitxml` writes it."""
    cases = []
    for element in ElementTree.fromstring(report).iter("testcase"):
        name = f"{element.get('classname', '').split('.')[-1].removeprefix('test_')}: {_words(element.get('name', ''))}"
        problem = next((element.find(tag) for tag in ("failure", "error") if element.find(tag) is not None), None)
        skipped = element.find("skipped")
        if problem is not None:
            cases.append(Case(name, "failed", _line(problem.get("message", ""))))
        elif skipped is not None:
            cases.append(Case(name, "skipped", _line(skipped.get("message", ""))))
        else:
            figures = [f"{one.get('name')}: {one.get('value')}" for one in element.iter("property")]
            cases.append(Case(name, "passed", _line("; ".join(figures))))
    return cases


def to_section(date: str, device: str, versions: str, cases: list[Case]) -> str:
    """Markdown of one run: what ran in a table, what did not below it."""
    rows = [f"| {case.name} | {case.outcome} | {case.words} |" for case in cases if case.outcome != "skipped"]
    lines = [f"### {date}, {device}", "", f"{versions}. Written by `python -m tests.gpu.write_results`.", ""]
    lines += ["| Test | Outcome | Figures |", "|---|---|---|", *rows]
    if left := [case for case in cases if case.outcome == "skipped"]:
        lines += ["", "Not run there:", "", *[f"- {case.name} ({case.words})" for case in left]]
    return "\n".join(lines) + "\n"


def with_section(page: str, section: str) -> str:
    """The page with a section, the newest first; one of the same day and device gives way. All else stays."""
    head, _, measured = page.partition(f"\n{MEASURED}\n")
    title = section.partition("\n")[0]
    older = [one for one in re.split(r"^(?=### )", measured, flags=re.MULTILINE) if one.strip()]
    kept = [one.strip() + "\n" for one in older if one.partition("\n")[0] != title]
    return "\n".join([head.rstrip() + "\n", f"{MEASURED}\n", *[section, *kept]])


def device(board: Board) -> str:
    """The GPU and the board that it is on, in words."""
    gpus = ", ".join(f"{gpu.name} with driver {gpu.driver}" for gpu in board.gpus)
    words = [board.model, gpus, f"JetPack {board.jetpack}" if board.jetpack else None]
    return "; ".join(filter(None, words)) or "a GPU that nvidia-smi does not name"


def versions() -> str:
    """Packages that the figures depend on."""
    found = []
    for name in DISTRIBUTIONS:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return ", ".join(found) or "No package of a GPU's"


def _words(name: str) -> str:
    return name.removeprefix("test_").replace("_", " ")


def _line(text: str) -> str:
    """One line that a table takes."""
    return " ".join(text.split())[:300].replace("|", "\\|")


if __name__ == "__main__":
    main()
