"""What fake quantization costs in training: a step of an INT8 graph beside the same step of its float graph, in turns.

python benchmarks/fake_quantization_step.py FP32.etc INT8.etc --json step.json
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import click
import numpy as np
import torch
from measuring.command import Benchmark, keep_to_cores, threads_and_json
from measuring.record import Goal, Record, Table, Watch, finish
from torch.nn import functional

from etc_edge.benchmark.protocol import alternate, pair_ratio
from etc_edge.core.bundle import Bundle
from etc_edge.core.errors import BundleError
from etc_edge.core.progress import console_progress
from etc_edge.graph.load import load_model
from etc_edge.torch_graph.graph import TorchGraph

STEP_GOAL = 1.6
WARM_UP = 1

# Learning rates only keep the optimiser at its work; nothing is to be learned here.
RATES = {"weights": 1e-6, "biases": 1e-6, "activation_scales": 1e-6, "weight_scales": 1e-6}


@click.command(cls=Benchmark)
@click.argument("fp32", type=click.Path(path_type=Path), metavar="FP32.etc")
@click.argument("int8", type=click.Path(path_type=Path), metavar="INT8.etc")
@click.option("--frames", type=click.IntRange(min=1), default=1, show_default=True, help="Frames of one step.")
@click.option("--rounds", type=click.IntRange(min=1), default=11, show_default=True, help="Steps that are counted.")
@threads_and_json
def main(fp32: Path, int8: Path, frames: int, rounds: int, threads: int | None, json_path: Path | None) -> None:
    """Time training steps of an INT8 bundle's graph beside those of the FP32 bundle that it came from."""
    threads = keep_to_cores(threads)
    torch.set_num_threads(threads)
    bundles = {"float": Bundle.open(fp32), "fake-quantized": Bundle.open(int8)}
    sizes = [bundle.preprocessing.size_hw for bundle in bundles.values()]
    if sizes[0] != sizes[1]:
        raise BundleError(f"Found sizes {sizes[0]} and {sizes[1]}, expected the same network twice.")
    watch = Watch(threads)
    steps = [_step(bundle, frames) for bundle in bundles.values()]
    times_ms = alternate(steps, rounds, WARM_UP, console_progress(), "training steps")
    medians_ms = [median(times) for times in times_ms]
    ratio = pair_ratio(times_ms[1], times_ms[0])
    rows = [
        [name, f"{value:.0f}", f"{share:.2f}"]
        for name, value, share in zip(bundles, medians_ms, (1.0, ratio), strict=True)
    ]
    finish(
        Record(
            benchmark="fake_quantization_step",
            title=f"{bundles['fake-quantized'].name}: a fake-quantized training step beside a float one",
            settings={"size_hw": list(sizes[0]), "frames": frames, "rounds": rounds, "optimizer": "Adam"},
            figures={
                "times_ms": {
                    name: [round(value, 2) for value in times] for name, times in zip(bundles, times_ms, strict=True)
                },
                "median_ms": dict(zip(bundles, medians_ms, strict=True)),
                "ratio": ratio,
            },
            table=Table(["step", "ms", "× float"], rows),
            goals=[Goal(name="fake-quantized / float step", value=ratio, sense="at most", bound=STEP_GOAL)],
            notes=["a step is forward, cross-entropy at full size, backward and Adam, on the bundle's own frames"],
            conditions=watch.conditions(torch=str(torch.__version__)),
        ),
        json_path,
    )


def _step(bundle: Bundle, count: int) -> Callable[[int], float]:
    """A training step of a bundle's graph, and the milliseconds that it takes."""
    graph = TorchGraph(load_model(bundle.model_path), logits=bundle.manifest.logits)
    groups = [{"params": values, "lr": RATES[kind]} for kind, values in graph.parameters_by_kind().items() if values]
    optimizer, selftest = torch.optim.Adam(groups), bundle.selftest()
    chosen = np.arange(count) % len(selftest.frames)
    images = torch.from_numpy(selftest.frames[chosen])
    labels = torch.from_numpy(selftest.labels[chosen]).to(torch.int64)

    def run(number: int) -> float:
        begun = time.perf_counter()
        optimizer.zero_grad()
        logits = functional.interpolate(graph(images)["logits"], labels.shape[1:], mode="bilinear", align_corners=True)
        functional.cross_entropy(logits, labels).backward()
        optimizer.step()
        return (time.perf_counter() - begun) * 1e3

    return run


if __name__ == "__main__":
    main()
