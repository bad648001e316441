"""Resident memory of an engine, of a second one beside it, and at its peak, in a process that does nothing else.

`python -m etc_edge.benchmark.memory FOLDER THREADS` prints them as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from etc_edge.backends.base import Engine
from etc_edge.backends.compiled import Compiled
from etc_edge.core.child_process import child_environment
from etc_edge.core.results import Memory

_FRAMES = 3
_TIMEOUT_S = 600.0


def memory_of(compiled: Compiled, threads: int | None = None) -> tuple[Memory, int] | None:
    """What a compiled form takes, and the peak of a process that runs it, in bytes; None where it cannot be told."""
    if not Path("/proc/self/statm").exists():
        return None
    command = [sys.executable, "-m", "etc_edge.benchmark.memory", str(compiled.path.resolve()), str(threads or 0)]
    with tempfile.TemporaryDirectory(prefix="etc-edge-") as empty:
        # An empty working directory and our own import path, for the reasons that `backends.process` gives.
        environment = child_environment()
        try:
            done = subprocess.run(
                command, cwd=empty, env=environment, capture_output=True, text=True, timeout=_TIMEOUT_S, check=True
            )
            found = json.loads(done.stdout.splitlines()[-1])
        except (OSError, subprocess.SubprocessError, ValueError, IndexError):
            return None
    return Memory(engine_bytes=found["engine"], per_stream_bytes=found["second"]), found["peak"]


def _main(folder: str, threads: str) -> None:
    compiled = Compiled.open(folder)
    # What the first use of a library brings along belongs to no engine in particular, but to having one at all.
    before = _resident_bytes()
    engines = [_warm(compiled, int(threads) or None)]
    one = _resident_bytes()
    engines.append(_warm(compiled, int(threads) or None))
    two = _resident_bytes()
    peak = _peak_bytes()
    print(json.dumps({"engine": one - before, "second": max(0, two - one), "peak": peak}), flush=True)  # noqa: T201
    # Vendors' teardown may crash.
    os._exit(0)


def _warm(compiled: Compiled, threads: int | None) -> Engine:
    engine = compiled.load(threads)
    frame = np.zeros((*engine.size_hw, 3), np.uint8)
    for _ in range(_FRAMES):
        engine.run(frame)
    return engine


def _peak_bytes() -> int:
    # Not getrusage's ru_maxrss: a child begins with its parent's there, and the parent may be the larger one.
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) * 1024


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    _main(*sys.argv[1:])
