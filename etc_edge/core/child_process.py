"""Processes of our own, each of which runs a module of the package."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import IO


def child_environment() -> dict[str, str]:
    """This process's environment, with its import path for a child that runs a module by `-m`, wherever it starts."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(os.path.abspath(entry) for entry in sys.path)}


def start_answering(
    module: str, errors: int | IO[bytes] = subprocess.DEVNULL
) -> tuple[subprocess.Popen[bytes], IO[bytes], IO[bytes]]:
    """Start a module that is asked on its standard input and answers on its standard output.

    Args:
        module: its full name.
        errors: where its standard error goes; left out, nowhere.

    Returns:
        The process, its requests and its answers.

    Raises:
        OSError: it does not start.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        env=child_environment(),
        # Ctrl-C is for us to handle.
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    return process, process.stdin, process.stdout
