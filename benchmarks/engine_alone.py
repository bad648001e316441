"""Latency of our engine-only mode, and what `etc-edge benchmark` prints, beside OpenVINO's benchmark_app on one graph.

python benchmarks/engine_alone.py INT8.etc --json engine_alone.json
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import click
import numpy as np
from measuring.command import Benchmark, keep_to_cores, threads_and_json
from measuring.record import Goal, Record, Table, Watch, finish
from measuring.video_peers import APP, AppFigures, app_figures
from msgspec import UnsetType

from etc_edge.backends.base import EngineOptions, StagedEngine
from etc_edge.backends.cache import cached
from etc_edge.backends.device import lowering_here
from etc_edge.backends.headless import load_headless
from etc_edge.benchmark.protocol import pair_ratio
from etc_edge.benchmark.rounds import Effort
from etc_edge.core.bundle import Bundle
from etc_edge.core.errors import EtcEdgeError
from etc_edge.core.progress import Silent, console_progress
from etc_edge.graph.load import to_bytes
from etc_edge.graph.lower import lower
from etc_edge.metrics.bootstrap import quantile_interval
from etc_edge.stages.benchmark import Load, benchmark

APART = 0.05
"""By how much the two may differ, either way."""

BACKEND, SETTLE_S = "openvino", 0.5
NOT_PINNED = {"ENABLE_CPU_PINNING": "NO"}
"""As our engine has it. Pinned threads, which benchmark_app has by itself, wait for their cores where others work on
them: nothing on an idle machine, twice the time on a busy one."""

ALONE, COMMAND = "engine alone", "etc-edge benchmark"


@click.command(cls=Benchmark)
@click.argument("model", type=click.Path(path_type=Path), metavar="B.etc")
@click.option("--rounds", type=click.IntRange(min=1), default=20, show_default=True, help="Turns of each.")
@click.option("--calls", type=click.IntRange(min=1), default=60, show_default=True, help="Inferences of a turn.")
@threads_and_json
def main(model: Path, rounds: int, calls: int, threads: int | None, json_path: Path | None) -> None:
    """Take turns: benchmark_app in a process of its own, our loaded engine, and `etc-edge benchmark` from the start.

    Turns are short and the order turns round with each, so that a busy spell of the machine hits all of them; what
    counts is the median of the ratios within a turn.
    """
    cores, progress = keep_to_cores(threads), console_progress()
    watch = Watch(cores)
    bundle = Bundle.open(model)
    engine = cached(bundle, BACKEND, EngineOptions(threads=cores), progress).load()
    if not isinstance(engine, StagedEngine):
        raise EtcEdgeError("Found an engine whose steps cannot be timed by themselves.")
    engine.run(bundle.selftest().frames[0])
    turns: dict[str, list[AppFigures]] = {APP: [], ALONE: [], COMMAND: []}
    with TemporaryDirectory() as folder, progress.task("taking turns", rounds) as task:
        graph = Path(folder) / "model.onnx"
        graph.write_bytes(to_bytes(lower(load_headless(bundle, Path(folder)), lowering_here(BACKEND))))
        sides: dict[str, Callable[[], AppFigures]] = {
            APP: lambda: app_figures(graph, calls, NOT_PINNED),
            ALONE: lambda: _alone(engine, calls),
            COMMAND: lambda: _command(model, calls, cores),
        }
        for number in range(rounds):
            for name in list(sides)[:: 1 if number % 2 == 0 else -1]:
                time.sleep(SETTLE_S)
                turns[name].append(sides[name]())
            task.advance(1, **{name: f"{its[-1].median_ms:.2f} ms" for name, its in turns.items()})
    engine.close()
    times_ms = {name: [turn.median_ms for turn in its] for name, its in turns.items()}
    fps = {name: [turn.fps for turn in its] for name, its in turns.items()}
    ratios = {name: pair_ratio(times_ms[name], times_ms[APP]) for name in (ALONE, COMMAND)}
    finish(
        Record(
            benchmark="engine_alone",
            title=f"{bundle.name}: our engine-only mode beside benchmark_app",
            settings={"rounds": rounds, "calls": calls, "backend": BACKEND},
            figures={"ms": times_ms, "fps": fps, "ratios": ratios},
            table=Table(
                ["", "network alone, ms", "/ benchmark_app, turn by turn", "95 % interval", "frames per second"],
                [_row(name, times_ms, fps) for name in turns],
            ),
            goals=[
                Goal(name=f"{name} / benchmark_app, ms", value=ratio, sense=sense, bound=bound)
                for name, ratio in ratios.items()
                for sense, bound in (("at most", 1 + APART), ("at least", 1 - APART))
            ],
            notes=[
                "all run the graph that our compiler gives OpenVINO, up to its logits",
                f"{APP} has -hint latency and, as our engine, threads that are not pinned to cores",
                f"frames per second of {COMMAND} are from a frame in memory to its labels, the others' to the logits",
            ],
            conditions=watch.conditions(),
        ),
        json_path,
    )


def _row(name: str, times_ms: dict[str, list[float]], fps: dict[str, list[float]]) -> list[str]:
    cells = [name, f"{median(times_ms[name]):.2f}"]
    if name == APP:
        cells += ["", ""]
    else:
        pairs = np.array([ours / app for ours, app in zip(times_ms[name], times_ms[APP], strict=True)])
        ends = quantile_interval(pairs, 0.5)
        cells += [f"{np.median(pairs):.3f}", "" if ends is None else f"{ends[0]:.3f} to {ends[1]:.3f}"]
    return [*cells, f"{median(fps[name]):.1f}"]


def _alone(engine: StagedEngine, calls: int) -> AppFigures:
    engine.execute()
    times_ms = []
    for _ in range(calls):
        begun = time.perf_counter()
        engine.execute()
        times_ms.append((time.perf_counter() - begun) * 1e3)
    return AppFigures(median(times_ms), 1e3 * calls / sum(times_ms))


def _command(model: Path, calls: int, threads: int) -> AppFigures:
    """What `etc-edge benchmark MODEL --target openvino` says of the network alone, and of one stream flat out."""
    effort, load = Effort(frames=calls), Load(seconds=1.0, memory=False)
    (found,) = benchmark([model], None, (BACKEND,), effort, threads, Silent(), yardstick=None, load=load).results
    assert not isinstance(found.modes_ms, UnsetType)
    assert not isinstance(found.throughput_fps, UnsetType)
    return AppFigures(found.modes_ms["engine"].p50, found.throughput_fps)


if __name__ == "__main__":
    main()
