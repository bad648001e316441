"""How often two runs of one benchmark are told apart wrongly, and a slow-down of 5 % rightly.

python benchmarks/repeated_runs.py INT8.etc --json repeated_runs.json

Twenty repetitions take some 21 minutes; with `--keep FOLDER` a benchmark that was stopped goes on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import msgspec
import numpy as np
import numpy.typing as npt
from measuring.command import Benchmark, keep_to_cores, threads_and_json
from measuring.record import Goal, Record, Table, Watch, finish

from etc_edge.benchmark.rounds import Effort
from etc_edge.core.packed import pack, unpack
from etc_edge.core.progress import Silent, console_progress
from etc_edge.core.results import Results, load_all_results, save_results
from etc_edge.metrics.comparison import changes
from etc_edge.metrics.intervals import figure_intervals
from etc_edge.metrics.latency import latency
from etc_edge.metrics.rounds import rounds_interval
from etc_edge.metrics.samples import FrameSamples
from etc_edge.metrics.speed import difference_of
from etc_edge.stages.benchmark import Load, benchmark

Float = npt.NDArray[np.float64]

SLOWER = 1.05
OVERLAP_GOAL, FOUND_GOAL, WRONG_GOAL = 0.95, 0.90, 0.05
DESIGNS = ("two runs", "one run")

# Correlation of neighbouring frames, their spread and that of rounds, frames of a round; in logarithms.
NOISES = {
    "independent frames": (0.0, 0.05, 0.0, 40),
    "correlated frames": (0.9, 0.05, 0.0, 40),
    "rounds apart": (0.5, 0.05, 0.02, 40),
    "short and correlated": (0.8, 0.05, 0.0, 10),
    "drift over rounds": (0.98, 0.05, 0.0, 40),
}


@click.command(cls=Benchmark)
@click.argument("model", type=click.Path(path_type=Path), metavar="B.etc")
@click.option("--repetitions", type=click.IntRange(min=1), default=20, show_default=True, help="Pairs of runs.")
@click.option("--at-most", type=click.FloatRange(min=1), default=60.0, show_default=True, help="Seconds of a run.")
@click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    help="A folder: runs of these settings that it holds are not repeated.",
)
@click.option("--target", default="cpu", show_default=True)
@click.option("--simulations", type=click.IntRange(min=1), default=400, show_default=True, help="Of every noise.")
@threads_and_json
def main(
    model: Path,
    repetitions: int,
    at_most: float,
    keep: Path | None,
    target: str,
    simulations: int,
    threads: int | None,
    json_path: Path | None,
) -> None:
    """Run one benchmark again and again, with the model twice in each run, and compare neighbours and twins.

    A slow-down is real latencies times 1.05, so that everything else about it is as it was measured.
    """
    cores, progress = keep_to_cores(threads), console_progress()
    watch = Watch(cores)
    simulated = {name: _simulate(*noise, simulations) for name, noise in NOISES.items()}
    runs: list[list[Results]] = []
    with progress.task("runs", repetitions + 1) as task:
        for number in range(repetitions + 1):
            kept = None if keep is None else keep / f"run-{number:03d}.json"
            runs.append(_kept_run(kept) or _run(model, target, at_most, kept))
            task.advance()
    found = {
        "two runs": _rates([(before[0], after[0]) for before, after in pairwise(runs)]),
        "one run": _rates([(run[0], run[1]) for run in runs[1:]]),
    }
    goals = [
        Goal(
            name="two runs: intervals overlap", value=found["two runs"]["overlap"], sense="at least", bound=OVERLAP_GOAL
        )
    ]
    for design in DESIGNS:
        rates = found[design]
        goals.append(Goal(name=f"{design}: 5 % found", value=rates["found"], sense="at least", bound=FOUND_GOAL))
        goals.append(Goal(name=f"{design}: told wrongly", value=rates["wrongly"], sense="at most", bound=WRONG_GOAL))
    rows = [[name, *_cells(rates)] for name, rates in found.items()]
    rows += [[f"simulated: {name}", *_cells(rates)] for name, rates in simulated.items()]
    one = runs[0][0]
    finish(
        Record(
            benchmark="repeated_runs",
            title=f"{one.bundle.name} on {one.bundle.target}: {repetitions} repetitions of one benchmark",
            settings={"repetitions": repetitions, "at_most_s": at_most, "simulations": simulations, "slower": SLOWER},
            figures={"measured": found, "simulated": simulated, "runs": [_summary(run[0]) for run in runs]},
            table=Table(["", "intervals overlap", "5 % found", "told wrongly"], rows),
            goals=goals,
            notes=["told wrongly: any figure of latency called better or worse where the model is the same"],
            conditions=watch.conditions(),
        ),
        json_path,
    )


def _run(model: Path, target: str, at_most_s: float, kept: Path | None) -> list[Results]:
    """One benchmark with the model twice; with the machine's noise, which is what is looked at."""
    effort, load = Effort(at_most_s=at_most_s), Load(seconds=0.05, memory=False)
    found = benchmark([model, model], None, (target,), effort, progress=Silent(), load=load).results
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        save_results(found, kept)
    return found


def _kept_run(kept: Path | None) -> list[Results] | None:
    return load_all_results(kept) if kept is not None and kept.is_file() else None


def _rates(pairs: Sequence[tuple[Results, Results]]) -> dict[str, float]:
    overlap = wrongly = found = 0
    for base, new in pairs:
        ends = [_median_interval(one) for one in (base, new)]
        overlap += ends[0][0] <= ends[1][1] and ends[1][0] <= ends[0][1]
        wrongly += any(verdict in ("better", "worse") for verdict in _verdicts(base, new).values())
        found += _verdicts(base, _slower(new))["latency_ms.p50"] == "worse"
    return {"overlap": overlap / len(pairs), "found": found / len(pairs), "wrongly": wrongly / len(pairs)}


def _median_interval(results: Results) -> tuple[float, float]:
    """As it would be reported now; a run that was kept may be of another day."""
    assert isinstance(results.samples, msgspec.Struct)
    return figure_intervals(FrameSamples.of(results.samples)).get("latency_ms.p50", (0.0, math.inf))


def _verdicts(base: Results, new: Results) -> dict[str, str]:
    timed = ("latency_ms", "relative")
    return {change.figure: change.verdict for change in changes(base, new) if change.figure.startswith(timed)}


def _slower(results: Results) -> Results:
    """The same results with every latency longer."""
    assert isinstance(results.samples, msgspec.Struct)
    times_ms = unpack(results.samples.latency_ms) * SLOWER
    samples = msgspec.structs.replace(results.samples, latency_ms=pack(times_ms, "float32"))
    return msgspec.structs.replace(
        results,
        samples=samples,
        latency_ms=latency(times_ms.tolist()),
        intervals=figure_intervals(FrameSamples.of(samples)),
    )


def _simulate(correlation: float, of_frames: float, of_rounds: float, frames: int, count: int) -> dict[str, float]:
    random = np.random.default_rng(0)
    overlap = wrongly = found = 0
    for _ in range(count):
        drawn = [_drawn(random, correlation, of_frames, of_rounds, frames) for _ in range(2)]
        medians = [float(np.median(np.concatenate(rounds))) for rounds in drawn]
        ends = [rounds_interval(rounds, 0.5, repetitions=300) or (0.0, math.inf) for rounds in drawn]
        overlap += ends[0][0] <= ends[1][1] and ends[1][0] <= ends[0][1]
        low, high = difference_of(medians[1], ends[1], medians[0], ends[0])
        wrongly += not low <= 0 <= high
        slower = SLOWER * medians[1], (SLOWER * ends[1][0], SLOWER * ends[1][1])
        found += difference_of(*slower, medians[0], ends[0])[0] > 0
    return {"overlap": overlap / count, "found": found / count, "wrongly": wrongly / count}


def _drawn(
    random: np.random.Generator, correlation: float, of_frames: float, of_rounds: float, frames: int, rounds: int = 10
) -> list[Float]:
    """Rounds of latencies whose logarithms are an AR(1) series, with rounds apart by chance and a slow tail."""
    steps = random.normal(size=rounds * frames) * of_frames * math.sqrt(1 - correlation**2)
    series, state = np.empty(len(steps)), random.normal() * of_frames
    for place, step in enumerate(steps):
        state = correlation * state + step
        series[place] = state
    tail = (random.random(len(steps)) < 0.05) * random.exponential(0.3, len(steps))
    apart = of_rounds * random.normal(size=(rounds, 1))
    return list(20 * np.exp((series + tail).reshape(rounds, frames) + apart))


def _cells(rates: dict[str, float]) -> list[str]:
    return [f"{100 * rates[name]:.1f} %" for name in ("overlap", "found", "wrongly")]


def _summary(results: Results) -> dict[str, Any]:
    fields = ("latency_ms", "intervals", "yardstick", "protocol", "conditions")
    return {name: msgspec.to_builtins(getattr(results, name)) for name in fields if getattr(results, name)}


if __name__ == "__main__":
    main()
