"""The page that shows the records of all benchmarks, made from their JSON and from nothing else."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from etc_edge.core.atomic import atomic_file
from measuring.record import Record, Table, busy_note, word

_HEAD = """# Benchmarks

Written by `benchmarks/run_all.py` from the records in {folder}; [benchmarks/README.md]({readme}) says how each is
measured. Contenders take turns on the same cores in one run, so ratios hold where milliseconds do not: those belong to
the machine that stands under each table.
"""

# What a reader needs to repeat a measurement; the record has every version.
_PACKAGES = (
    "etc-edge",
    "onnxruntime",
    "openvino",
    "nncf",
    "modelopt",
    "scikit-learn",
    "torchmetrics",
    "onnx",
    "numpy",
    "opencv-python-headless",
    "av",
    "python",
)


def read_record(path: Path) -> Record | None:
    """A record, or None where there is none that can be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Record)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def write_page(path: Path, records: Mapping[str, Record], left_out: Mapping[str, str], readme: Path) -> None:
    """Write the page.

    Args:
        path: where to.
        records: by name, in the order in which they are shown.
        left_out: why others have no record.
        readme: the file that says how things are measured.
    """
    link = Path(os.path.relpath(readme.resolve(), path.resolve().parent)).as_posix()
    parts = [_HEAD.format(folder="`results/`", readme=link)]
    parts += [_section(name, record) for name, record in records.items()]
    if left_out:
        parts.append("## Left out\n\n" + "\n".join(f"- {name}: {reason}" for name, reason in left_out.items()) + "\n")
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as temporary:
        temporary.write_text("\n".join(parts), encoding="utf-8")


def _section(name: str, record: Record) -> str:
    conditions = record.conditions
    versions = ", ".join(f"{pkg} {conditions.versions[pkg]}" for pkg in _PACKAGES if pkg in conditions.versions)
    lines = [f"## {record.title}", "", *_markdown(record.table), ""]
    if record.goals:
        rows = [[goal.name, f"{goal.value:.4g}", f"{goal.sense} {goal.bound:g}", word(goal)] for goal in record.goals]
        lines += [*_markdown(Table(["goal", "found", "asked for", ""], rows)), ""]
    lines += [f"- {note}" for note in (*record.notes, *busy_note(record))]
    lines += [f"- {key}: {described}" for key, described in record.settings.get("peers", {}).items()]
    cores = f"{conditions.threads} {'core' if conditions.threads == 1 else 'cores'}"
    # The name alone does not tell processors with and without VNNI apart.
    flags = " ".join(conditions.device.get("cpu_flags", []))
    processor = f"{conditions.device.get('cpu', 'an unknown processor')} ({flags or 'no vector instructions known'})"
    lines.append(f"- {conditions.date[:10]}, {cores} of {processor}; {versions}")
    lines.append(f"- record: [results/{name}.json](results/{name}.json)")
    return "\n".join(lines) + "\n"


def _markdown(table: Table) -> list[str]:
    def row(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    rule = ["---", *["---:"] * (len(table.columns) - 1)]
    return [row(table.columns), row(rule), *(row(cells) for cells in table.rows)]
