"""How long an application waits for its first label from an engine that is compiled already.

python benchmarks/first_label.py INT8.etc --json first_label.json
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

import click
from measuring.command import Benchmark, keep_to_cores, threads_and_json
from measuring.record import Goal, Record, Table, Watch, finish

from etc_edge.core.errors import EngineError
from etc_edge.core.progress import console_progress
from etc_edge.runtime.segmenter import Segmenter

LABEL_GOAL_S = 1.0
IMPORT_GOAL_S = 0.25
IMPORT_GOAL_MB = 60.0

APPLICATION = """
import json, sys, time

begun = time.perf_counter()
from etc_edge.runtime import Segmenter
imported = time.perf_counter()
status = open("/proc/self/status").read() if sys.platform == "linux" else ""
memory_kb = next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")), 0)
import numpy as np
frame = np.full((360, 480, 3), 90, np.uint8)
loading = time.perf_counter()
segmenter = Segmenter.load(sys.argv[1], threads=int(sys.argv[2]))
loaded = time.perf_counter()
segmenter(frame)
labelled = time.perf_counter()
print(json.dumps({"import_s": imported - begun, "import_mb": memory_kb * 1024 / 1e6, "load_s": loaded - loading,
                  "first_s": labelled - loaded, "label_s": labelled - loading}))
"""


@click.command(cls=Benchmark)
@click.argument("int8", type=click.Path(path_type=Path), metavar="INT8.etc")
@click.option("--rounds", type=click.IntRange(min=1), default=9, show_default=True, help="Processes to start.")
@click.option("--target", default="cpu", show_default=True, help="Engine.")
@threads_and_json
def main(int8: Path, rounds: int, target: str, threads: int | None, json_path: Path | None) -> None:
    """Start an application again and again: import, load a compiled engine, label a frame.

    A first start that fills the system's cache of files is left out.
    """
    cores, progress = keep_to_cores(threads), console_progress()
    with Segmenter.load(int8, target, progress=progress) as segmenter:
        name, backend, compiled = segmenter.name, segmenter.compiled.manifest.backend, segmenter.compiled.path
    watch = Watch(cores)
    found = [_start(compiled, cores) for _ in range(rounds + 1)][1:]
    middle = {what: median(one[what] for one in found) for what in found[0]}
    goals = [Goal(name="first label, s", value=middle["label_s"], sense="at most", bound=LABEL_GOAL_S)]
    goals.append(Goal(name="import, s", value=middle["import_s"], sense="at most", bound=IMPORT_GOAL_S))
    goals.append(Goal(name="memory after import, MB", value=middle["import_mb"], sense="at most", bound=IMPORT_GOAL_MB))
    finish(
        Record(
            benchmark="first_label",
            title=f"{name} on {backend}: from a compiled engine to the first label",
            settings={"backend": backend, "rounds": rounds},
            figures={**middle, "starts": found},
            table=Table(
                ["", "median"],
                [
                    ["import etc_edge.runtime, s", f"{middle['import_s']:.3f}"],
                    ["memory of the process after it, MB", f"{middle['import_mb']:.1f}"],
                    ["Segmenter.load, s", f"{middle['load_s']:.3f}"],
                    ["first label after it, s", f"{middle['first_s']:.3f}"],
                ],
            ),
            goals=goals,
            notes=[],
            conditions=watch.conditions(),
        ),
        json_path,
    )


def _start(compiled: Path, threads: int) -> dict[str, Any]:
    command = [sys.executable, "-c", APPLICATION, str(compiled), str(threads)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise EngineError(f"Found the application ended with code {done.returncode}: {done.stderr.strip()[-300:]}.")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    main()
