"""Latency of our engine-only mode beside OpenVINO's own benchmark_app, on the same graph.

python benchmarks/engine_alone.py INT8.etc --json engine_alone.json
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import click
from measuring.command import Benchmark, keep_to_cores, threads_and_json
from measuring.record import Goal, Record, Table, Watch, finish

from etc_edge.backends.base import EngineOptions, StagedEngine
from etc_edge.backends.cache import cached
from etc_edge.backends.device import lowering_here
from etc_edge.backends.headless import load_headless
from etc_edge.core.bundle import Bundle
from etc_edge.core.errors import EtcEdgeError
from etc_edge.core.progress import console_progress
from etc_edge.graph.load import to_bytes
from etc_edge.graph.lower import lower

APART = 0.05
"""By how much the two may differ, either way."""

SETTLE_S = 0.5
APP = "from openvino.tools.benchmark.main import main; main()"


@click.command(cls=Benchmark)
@click.argument("model", type=click.Path(path_type=Path), metavar="B.etc")
@click.option("--rounds", type=click.IntRange(min=1), default=10, show_default=True, help="Turns of each.")
@click.option("--calls", type=click.IntRange(min=1), default=50, show_default=True, help="Inferences of a turn.")
@threads_and_json
def main(model: Path, rounds: int, calls: int, threads: int | None, json_path: Path | None) -> None:
    """Take turns: benchmark_app in a process of its own, then our engine, each one inference after the other."""
    cores, progress = keep_to_cores(threads), console_progress()
    watch = Watch(cores)
    bundle = Bundle.open(model)
    compiled = cached(bundle, "openvino", EngineOptions(threads=cores), progress)
    engine = compiled.load()
    if not isinstance(engine, StagedEngine):
        raise EtcEdgeError("Found an engine whose steps cannot be timed by themselves.")
    engine.run(bundle.selftest().frames[0])
    app_ms, own_ms = [], []
    with TemporaryDirectory() as folder, progress.task("taking turns", rounds) as task:
        graph = Path(folder) / "model.onnx"
        graph.write_bytes(to_bytes(lower(load_headless(bundle, Path(folder)), lowering_here("openvino"))))
        for _ in range(rounds):
            app_ms.append(_app_ms(graph, calls, cores))
            own_ms.append(_own_ms(engine, calls))
            task.advance(1, app=f"{app_ms[-1]:.2f} ms", ours=f"{own_ms[-1]:.2f} ms")
    engine.close()
    ratio = median(ours / theirs for ours, theirs in zip(own_ms, app_ms, strict=True))
    goals = [
        Goal(name="ours / benchmark_app", value=ratio, sense="at most", bound=1 + APART),
        Goal(name="ours / benchmark_app", value=ratio, sense="at least", bound=1 - APART),
    ]
    rows = [["benchmark_app", f"{median(app_ms):.2f}"], ["ours, engine alone", f"{median(own_ms):.2f}"]]
    rows.append(["ours / benchmark_app, turn by turn", f"{ratio:.3f}"])
    finish(
        Record(
            benchmark="engine_alone",
            title=f"{bundle.name}: our engine-only mode beside benchmark_app",
            settings={"rounds": rounds, "calls": calls},
            figures={"benchmark_app_ms": app_ms, "ours_ms": own_ms, "ratio": ratio},
            table=Table(["", "median of a turn's medians, ms"], rows),
            goals=goals,
            notes=[
                "both run the graph that our compiler gives OpenVINO, up to its logits, one inference after the other"
            ],
            conditions=watch.conditions(),
        ),
        json_path,
    )


def _app_ms(graph: Path, calls: int, threads: int) -> float:
    """The median that benchmark_app prints."""
    options = ["-m", str(graph), "-d", "CPU", "-api", "sync", "-niter", str(calls), "-hint", "none"]
    options += ["-nstreams", "1", "-nthreads", str(threads), "-pin", "NO", "-infer_precision", "f32"]
    command = [sys.executable, "-c", APP, *options]
    time.sleep(SETTLE_S)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"Median:\s*([\d.]+) ms", done.stdout)
    if found is None:
        raise EtcEdgeError(f"benchmark_app gave no median: {(done.stderr or done.stdout).strip()[-300:]}")
    return float(found[1])


def _own_ms(engine: StagedEngine, calls: int) -> float:
    time.sleep(SETTLE_S)
    engine.execute()
    times_ms = []
    for _ in range(calls):
        begun = time.perf_counter()
        engine.execute()
        times_ms.append((time.perf_counter() - begun) * 1e3)
    return median(times_ms)


if __name__ == "__main__":
    main()
