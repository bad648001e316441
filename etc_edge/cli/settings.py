"""The options that stand before the command and hold for all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from etc_edge.core.progress import Progress


@dataclass
class Settings:
    """Global options: `debug` shows tracebacks, `quiet` hides progress."""

    debug: bool = False
    quiet: bool = False


def settings() -> Settings:
    """Global options of the command that is running; the defaults when a command is called by itself."""
    context = click.get_current_context(silent=True)
    found = None if context is None else context.find_object(Settings)
    return found or Settings()


def progress() -> Progress:
    """Where the running command reports its work: bars or lines on standard error, nothing with `--quiet`."""
    from etc_edge.core.progress import Silent, console_progress

    return Silent() if settings().quiet else console_progress()
