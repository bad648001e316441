"""Run every benchmark whose inputs are there, and write docs/results/*.json and docs/benchmarks.md.

python benchmarks/run_all.py --data camvid
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import click
from measuring.cases import Case, cases
from measuring.command import Benchmark
from measuring.inputs import Inputs, Missing
from measuring.page import read_record, write_page

from etc_edge.core.errors import EtcEdgeError
from etc_edge.core.progress import console_progress

SCRIPTS = Path(__file__).resolve().parent
ROOT = SCRIPTS.parent


@click.command(cls=Benchmark)
@click.option("--data", type=click.Path(path_type=Path, file_okay=False, exists=True), help="CamVid's folder.")
@click.option("--source", help="Video or folder of images for `run`; left out, CamVid's validation images.")
@click.option("--hold-out", type=click.Path(path_type=Path, exists=True), help="A network from elsewhere.")
@click.option("--only", multiple=True, metavar="NAME", help="Run only this case, such as int8_peers-pspnet18.")
@click.option("--page-only", is_flag=True, help="Run nothing: write the page from the records that are there.")
@click.option("--threads", type=click.IntRange(min=1), help="Cores for everything; left out, all.")
@click.option("--frames", type=click.IntRange(min=1), help="A trial on so many frames; needs another --docs.")
@click.option("--docs", type=click.Path(path_type=Path, file_okay=False), help="Where to write; left out, docs/.")
def main(
    data: Path | None,
    source: str | None,
    hold_out: Path | None,
    only: tuple[str, ...],
    page_only: bool,
    threads: int | None,
    frames: int | None,
    docs: Path | None,
) -> None:
    """Run the benchmarks one after the other, each in a process of its own."""
    if frames is not None and docs is None:
        raise click.UsageError("Figures of a trial do not belong in docs/: name another folder with --docs.")
    docs = ROOT / "docs" if docs is None else docs
    failed: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        inputs = Inputs(ROOT, data, source, hold_out, Path(folder), frames, console_progress())
        every = cases(inputs)
        unknown = set(only) - {case.name for case in every}
        if unknown:
            raise click.UsageError(f"Found no case {', '.join(unknown)}; there are {', '.join(c.name for c in every)}.")
        for case in every:
            if not page_only and (not only or case.name in only):
                reason = _run(case, docs / "results", threads, Path(folder))
                if reason is not None:
                    failed[case.name] = reason
    records = {case.name: read_record(docs / "results" / f"{case.name}.json") for case in every}
    shown = {name: record for name, record in records.items() if record is not None and name not in failed}
    left_out = {case.name: failed.get(case.name, _not_yet(case)) for case in every if case.name not in shown}
    write_page(docs / "benchmarks.md", shown, left_out, SCRIPTS / "README.md")
    click.echo(f"wrote {docs / 'benchmarks.md'}")
    for name, reason in left_out.items():
        click.echo(f"left out: {name}: {reason}")


def _not_yet(case: Case, found: str = "not measured yet") -> str:
    return f"{found}: it needs {case.needs}" if case.needs else found


def _run(case: Case, results: Path, threads: int | None, work: Path) -> str | None:
    """Run one case; why it has no record, or None where it has."""
    click.echo(f"== {case.name}")
    try:
        arguments = case.arguments()
    except (Missing, EtcEdgeError) as error:
        return str(error)
    if threads is not None:
        arguments += ["--threads", str(threads)]
    record = results / f"{case.name}.json"
    command = [sys.executable, str(SCRIPTS / f"{case.script}.py"), *arguments, "--json", str(record)]
    # A cache of its own: engines are chosen by how they fare in this run, not in one long ago.
    environment = {**os.environ, "ETC_EDGE_CACHE": str(work / "cache")}
    last = ""
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            sys.stderr.write(line)
            last = line.strip() or last
    if process.returncode == 0:
        return None if record.is_file() else _not_yet(case, "nothing to measure on this machine")
    return f"{case.script} failed: {last.removeprefix('Error: ') or f'exit code {process.returncode}'}"


if __name__ == "__main__":
    main()
