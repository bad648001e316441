"""What every benchmark's command has: errors in one line, cores, and where the record goes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from etc_edge.core.environment import available_cores
from etc_edge.core.errors import EtcEdgeError

F = TypeVar("F", bound=Callable[..., Any])

FOLDER = click.Path(path_type=Path, file_okay=False, exists=True)
FILE = click.Path(path_type=Path, dir_okay=False)


class Benchmark(click.Command):
    """A command that turns errors of etc-edge into one line and exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        """See click.Command."""
        try:
            return super().invoke(ctx)
        except EtcEdgeError as error:
            raise click.ClickException(str(error)) from error


def threads_and_json(command: F) -> F:
    """The options `--threads` and `--json`, which every benchmark has."""
    threads = click.option("--threads", type=click.IntRange(min=1), help="Cores for everything; left out, all.")
    return threads(click.option("--json", "json_path", type=FILE, help="Write the record to a file.")(command))


def keep_to_cores(threads: int | None) -> int:
    """Bind this process and its children to so many cores, and say how many they have.

    Engines, calibration and peers take as many threads as they have cores, so all are bound alike.
    """
    if threads is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    return available_cores()
