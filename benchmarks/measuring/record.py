"""What a benchmark leaves: its figures, the goals they are held to and the conditions, as JSON and as a table."""

from __future__ import annotations

import os
import sys
import time
from datetime import datetime, timezone
from math import isnan
from pathlib import Path
from typing import Any, Literal

import click
import msgspec
import psutil  # type: ignore[import-untyped]
from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from etc_edge.core.atomic import atomic_file
from etc_edge.core.environment import device, versions

# A machine whose cores others use for more than this share of the time gives no timings to rely on.
BUSY_SHARE = 0.05


class Goal(msgspec.Struct, frozen=True, kw_only=True):
    """A figure and the bound that it shall keep."""

    name: str
    value: float
    sense: Literal["at most", "at least"]
    bound: float

    @property
    def holds(self) -> bool:
        """Whether the figure keeps the bound; a figure that is no number keeps none."""
        return self.value <= self.bound if self.sense == "at most" else self.value >= self.bound


class Table(msgspec.Struct, frozen=True):
    """Figures as people read them."""

    columns: list[str]
    rows: list[list[str]]


class Conditions(msgspec.Struct, frozen=True, kw_only=True):
    """When, where and with what it was measured.

    Args:
        date: in UTC, ISO 8601.
        seconds: how long it took.
        threads: processor threads of everything that was measured.
        others_share: share of the cores' time that other processes took meanwhile.
        device: the machine.
        versions: packages of ours and, under their own names, peers.
    """

    date: str
    seconds: float
    threads: int
    others_share: float
    device: dict[str, Any]
    versions: dict[str, str]


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One benchmark's result; `timed` is whether times are among its figures, which a busy machine spoils."""

    benchmark: str
    title: str
    settings: dict[str, Any]
    figures: dict[str, Any]
    table: Table
    goals: list[Goal]
    notes: list[str]
    conditions: Conditions
    timed: bool = True


class Watch:
    """Notes when a measurement began and what the processor did until it ended."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._date = datetime.now(timezone.utc).isoformat(timespec="seconds")
        self._begun, self._cores_s, self._own_s = time.perf_counter(), _cores_busy_s(), _own_busy_s()

    def conditions(self, **packages: str) -> Conditions:
        """What to put into the record; `packages` are versions of peers."""
        seconds = time.perf_counter() - self._begun
        others_s = (_cores_busy_s() - self._cores_s) - (_own_busy_s() - self._own_s)
        return Conditions(
            date=self._date,
            seconds=round(seconds, 1),
            threads=self._threads,
            others_share=round(max(0.0, others_s / (seconds * (psutil.cpu_count() or 1))), 3),
            device=device(),
            versions={**versions(), **packages},
        )


def show(table: Table, title: str) -> None:
    """Print a table; off a terminal, its rows stay whole."""
    Console(highlight=False, width=None if sys.stdout.isatty() else 160).print(_rich(table, title))


def finish(record: Record, json_path: Path | None) -> None:
    """Print a record, and write it where it was asked for; goals whose figure could not be measured are dropped."""
    goals = [goal for goal in record.goals if not isnan(goal.value)]
    record = msgspec.structs.replace(record, goals=goals)
    # Off a terminal, rows stay whole.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    console.print(_rich(record.table, record.title))
    if record.goals:
        rows = [[goal.name, f"{goal.value:.4g}", f"{goal.sense} {goal.bound:g}", word(goal)] for goal in record.goals]
        console.print(_rich(Table(["goal", "found", "asked for", ""], rows), None))
    for note in (*record.notes, *busy_note(record)):
        click.echo(f"note: {note}")
    if json_path is not None:
        json_path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(json_path) as temporary:
            temporary.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n")
        click.echo(f"wrote {json_path}")


def word(goal: Goal) -> str:
    """How a goal came out."""
    return "holds" if goal.holds else "falls short"


def busy_note(record: Record) -> list[str]:
    """A warning where other processes took more of the machine than timings stand."""
    if not record.timed or record.conditions.others_share <= BUSY_SHARE:
        return []
    return [
        f"other processes took {record.conditions.others_share:.0%} of the cores: these times are not to be relied on"
    ]


def _rich(table: Table, title: str | None) -> RichTable:
    drawn = RichTable(title=title, title_justify="left")
    for number, column in enumerate(table.columns):
        drawn.add_column(escape(column), justify="left" if number == 0 else "right")
    for row in table.rows:
        drawn.add_row(*(escape(cell) for cell in row))
    return drawn


def _cores_busy_s() -> float:
    """Seconds that all cores together have worked since the machine started."""
    spent = psutil.cpu_times()
    return float(sum(spent) - spent.idle - getattr(spent, "iowait", 0.0) - getattr(spent, "guest", 0.0))


def _own_busy_s() -> float:
    """Seconds that this process and its finished children have worked."""
    own = os.times()
    return own.user + own.system + own.children_user + own.children_system
