"""Vendor code at arm's length: requests to the child process, and what its death means."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any

import msgspec

from etc_edge.backends.reports import forward
from etc_edge.backends.request import Answer, Call, CompileRequest, TimeRequest
from etc_edge.core import errors
from etc_edge.core.child_process import child_environment
from etc_edge.core.errors import CompileError, EtcEdgeError
from etc_edge.core.progress import Progress, Silent

# A builder that tries kernels for a large network takes half an hour on a small board; past that it hangs.
CHILD_TIMEOUT_S = 3600.0

_REPORTS_PATIENCE_S = 2.0


def ask_child(
    request: CompileRequest | TimeRequest,
    doing: str,
    timeout_s: float = CHILD_TIMEOUT_S,
    progress: Progress | None = None,
) -> Any:
    """Have a child process do something with vendor code.

    Args:
        request: what to do.
        doing: the work in words for messages, such as "openvino compiling street-int8".
        timeout_s: seconds after which the child is ended.
        progress: told how far a compiler is that reports it.

    Returns:
        The answer's value.

    Raises:
        CompileError: the child crashed, ran out of time or failed.
        EtcEdgeError: the child reports another error of ours, with its own class and words.
    """
    with tempfile.TemporaryDirectory(prefix="etc-edge-") as scratch:
        answer, log = Path(scratch, "answer.json"), Path(scratch, "log.txt")
        with _reports(progress or Silent()) as reports:
            code = _run(Call(request, str(answer), reports), log, doing, timeout_s)
        if not answer.exists():
            raise _death(doing, code, log)
        return _value(msgspec.json.decode(answer.read_bytes(), type=Answer), doing)


@contextmanager
def _reports(progress: Progress) -> Iterator[int]:
    """A pipe whose other end is read until every copy of this one is closed; gives its end for the child."""
    reading, writing = os.pipe()
    with os.fdopen(reading, encoding="utf-8") as lines:
        reader = Thread(target=forward, args=(lines, progress), name="etc-edge reports", daemon=True)
        reader.start()
        try:
            yield writing
        finally:
            os.close(writing)
            # A process that the vendor's library left behind may hold it open.
            reader.join(_REPORTS_PATIENCE_S)


def _run(call: Call, log: Path, doing: str, timeout_s: float) -> int:
    with log.open("wb") as output:
        # The working directory is an empty one: `-m` puts it first on the import path, and a user's folder may
        # hold a file named like a package. A session of its own keeps Ctrl-C for the parent to handle.
        child = subprocess.Popen(
            [sys.executable, "-m", "etc_edge.backends.child"],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=log.parent,
            env=child_environment(),
            start_new_session=True,
            pass_fds=(call.reports,),
        )
    assert child.stdin is not None
    try:
        with suppress(BrokenPipeError):
            child.stdin.write(msgspec.json.encode(call) + b"\n")
            child.stdin.flush()
        return child.wait(timeout_s)
    except subprocess.TimeoutExpired:
        raise CompileError(
            f"Found {doing} still at work after {timeout_s:.0f} s and ended it.", "Try another --target."
        ) from None
    finally:
        child.kill()
        child.wait()
        with suppress(BrokenPipeError):
            child.stdin.close()


def _value(answer: Answer, doing: str) -> Any:
    if not answer.failed:
        return answer.value
    kind = getattr(errors, answer.kind or "", None)
    if isinstance(kind, type) and issubclass(kind, EtcEdgeError):
        raise kind(answer.message, answer.hint)
    raise CompileError(f"Found {doing} failing: {answer.message}.")


def _death(doing: str, code: int, log: Path) -> CompileError:
    if code >= 0:
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
        last = lines[-1].strip() if lines else "it said nothing"
        return CompileError(f"Found {doing} ended with exit code {code}: {last}.")
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    if name == "SIGKILL":
        return CompileError(
            f"Found {doing} killed by the system ({name}), which happens when memory runs out.",
            "Try with more memory or fewer threads, or another --target.",
        )
    return CompileError(f"Found {doing} crashed inside the vendor's library ({name}).", "Try another --target.")
