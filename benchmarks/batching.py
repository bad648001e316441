"""Milliseconds a frame of networks that take several frames at once, beside the same network one frame at a time.

There are two ways: a batch in one engine, and an engine of fewer threads for each frame, as `run` does it with files.

python benchmarks/batching.py A-int8.etc B-int8.etc --json batching.json
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import click
import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from measuring.command import Benchmark, keep_to_cores, threads_and_json
from measuring.record import Record, Table, Watch, finish
from onnx import numpy_helper

from etc_edge.backends.device import lowering_here
from etc_edge.backends.headless import load_headless
from etc_edge.backends.onnxruntime.engine import session_options
from etc_edge.backends.openvino.engine import properties
from etc_edge.backends.openvino.vendor import shared_core
from etc_edge.benchmark.protocol import alternate, pair_ratio
from etc_edge.core.bundle import Bundle
from etc_edge.core.errors import EngineError
from etc_edge.core.progress import console_progress
from etc_edge.graph.lower import lower
from etc_edge.runtime.crew import shares

Frames = npt.NDArray[np.uint8]
Run = Callable[[Frames], npt.NDArray[Any]]

BATCHES = (1, 2, 4)
# Which input of an operator is the whole shape of its output, number of frames included.
SHAPES = {"Resize": 3, "Reshape": 1, "Expand": 1}

EACH = 4
"""Frames that each of several engines labels in a turn."""

GAIN = 0.95
"""A way counts as a gain where a frame takes less than this share of its time alone."""


@click.command(cls=Benchmark)
@click.argument("models", type=click.Path(path_type=Path), metavar="B.etc...", nargs=-1, required=True)
@click.option("--rounds", type=click.IntRange(min=1), default=15, show_default=True, help="Turns of each.")
@threads_and_json
def main(models: tuple[Path, ...], rounds: int, threads: int | None, json_path: Path | None) -> None:
    """Take turns between one frame, batches and several engines of each network on each CPU engine, up to logits."""
    cores, progress = keep_to_cores(threads), console_progress()
    watch = Watch(cores)
    figures, rows, notes = [], [], []
    for path in models:
        bundle = Bundle.open(path)
        frames = bundle.selftest().frames
        for backend, load in LOADERS.items():
            with tempfile.TemporaryDirectory() as folder:
                graph = lower(load_headless(bundle, Path(folder)), lowering_here(backend))
                runs = [load(_with_batch(graph, batch), cores) for batch in BATCHES]
            inputs = [np.stack([frames[number % len(frames)] for number in range(batch)]) for batch in BATCHES]
            same = _same(runs, inputs, bundle.name)
            single = _with_batch(graph, 1)
            crew = [load(single, threads) for threads in shares(cores)]
            contenders = [_timed(run, given) for run, given in zip(runs, inputs, strict=True)]
            ways = [f"batch of {batch}" for batch in BATCHES]
            if len(crew) > 1:
                contenders.append(_at_once(crew, inputs[0]))
                ways.append(f"{len(crew)} engines")
            times_ms = alternate(contenders, rounds, 2, progress, f"{bundle.name} on {backend}")
            ratios = {way: pair_ratio(times, times_ms[0]) for way, times in zip(ways, times_ms, strict=True)}
            for way, times in zip(ways, times_ms, strict=True):
                rows.append([bundle.name, backend, way, f"{median(times):.2f}", f"{ratios[way]:.3f}"])
            figures.append(
                {
                    "network": bundle.name,
                    "backend": backend,
                    "ms_a_frame": dict(zip(ways, times_ms, strict=True)),
                    "ratio": ratios,
                    "same_largest_class": same,
                }
            )
            best = min(ratios, key=lambda way: ratios[way])
            verdict = f"gains most from a {best}" if best in ways[: len(BATCHES)] else f"gains most from {best}"
            verdict = verdict if ratios[best] < GAIN else "gains nothing from several frames at once"
            notes.append(f"{bundle.name} on {backend} {verdict}")
    finish(
        Record(
            benchmark="batching",
            title="Several frames at once beside one at a time, ms a frame up to logits",
            settings={"batches": list(BATCHES), "rounds": rounds},
            figures={"networks": figures},
            table=Table(["network", "engine", "way", "ms a frame", "by one at a time"], rows),
            goals=[],
            notes=notes,
            conditions=watch.conditions(),
        ),
        json_path,
    )


def _with_batch(graph: onnx.ModelProto, batch: int) -> bytes:
    """A graph that takes so many frames at once; shapes that are no constants are left to the engine to find."""
    copy = onnx.ModelProto()
    copy.CopyFrom(graph)
    shaped = [(node, SHAPES[node.op_type]) for node in copy.graph.node if node.op_type in SHAPES]
    wanted = {node.input[place] for node, place in shaped if len(node.input) > place}
    for constant in copy.graph.initializer:
        if constant.name in wanted:
            shape = numpy_helper.to_array(constant).copy()
            shape[0] = batch
            constant.CopyFrom(numpy_helper.from_array(shape, constant.name))
    del copy.graph.value_info[:]
    for value in (*copy.graph.input, *copy.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = batch
    return copy.SerializeToString()


def _onnxruntime(model: bytes, threads: int) -> Run:
    settings = session_options(threads)
    session = onnxruntime.InferenceSession(model, settings, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda frames: np.asarray(session.run(None, {name: frames})[0])


def _openvino(model: bytes, threads: int) -> Run:
    core = shared_core()
    request = core.compile_model(core.read_model(model, b""), "CPU", properties(threads)).create_infer_request()

    def run(frames: Frames) -> npt.NDArray[Any]:
        request.infer([frames], share_inputs=True)
        return np.asarray(request.get_output_tensor(0).data)

    return run


LOADERS: dict[str, Callable[[bytes, int], Run]] = {"onnxruntime": _onnxruntime, "openvino": _openvino}


def _same(runs: list[Run], inputs: list[Frames], name: str) -> float:
    """Least share of places whose largest class is that of the frame alone; a batch that mixes frames is an error."""
    alone = [np.array(runs[0](inputs[-1][number : number + 1]))[0] for number in range(len(inputs[-1]))]
    least = 1.0
    for run, given in zip(runs, inputs, strict=True):
        together = np.array(run(given))
        for one, other in zip(alone, together, strict=False):
            least = min(least, float(np.mean(one.argmax(0) == other.argmax(0))))
    if least < 0.99:
        raise EngineError(f"Found {name} giving other labels in a batch, the same in {least:.3f} of the places.")
    return least


def _timed(run: Run, frames: Frames) -> Callable[[int], float]:
    def call(_: int) -> float:
        begun = time.perf_counter()
        run(frames)
        return (time.perf_counter() - begun) * 1e3 / len(frames)

    return call


def _at_once(crew: list[Run], frame: Frames) -> Callable[[int], float]:
    pool = ThreadPoolExecutor(len(crew))

    def several(run: Run) -> None:
        for _ in range(EACH):
            run(frame)

    def call(_: int) -> float:
        begun = time.perf_counter()
        list(pool.map(several, crew))
        return (time.perf_counter() - begun) * 1e3 / (EACH * len(crew))

    return call


if __name__ == "__main__":
    main()
