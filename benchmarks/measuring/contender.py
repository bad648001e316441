"""A network on an engine, as it takes part in a comparison: uint8 frame in, uint8 labels out, for all alike."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from etc_edge.backends.base import Engine, EngineOptions
from etc_edge.backends.cache import cached
from etc_edge.benchmark.protocol import alternate
from etc_edge.core.bundle import Bundle
from etc_edge.core.errors import CompileError
from etc_edge.core.progress import Progress
from etc_edge.core.table import Table
from etc_edge.frames.preprocess import fit_frame, fit_labels

UInt8 = npt.NDArray[np.uint8]

# The same classes that run our own bundles load a peer's graph, so that copying frames in and labels out costs alike.
_ENGINES: Table[Callable[[Path, int], Engine]] = Table(
    "engine",
    {
        "onnxruntime": "etc_edge.backends.onnxruntime.engine:OnnxRuntimeEngine",
        "openvino": "etc_edge.backends.openvino.engine:OpenVinoEngine",
    },
)

WARM_UP = 3


@dataclass(frozen=True)
class Contender:
    """A loaded network.

    Args:
        name: what tables call it.
        maker: who made its graph.
        backend: the engine that runs it.
        precision: `fp32` or `int8`.
        model_bytes: size of its graph's files.
        engine: ready to run.
    """

    name: str
    maker: str
    backend: str
    precision: str
    model_bytes: int
    engine: Engine

    def labels(self, image_rgb: UInt8) -> UInt8:
        """Labels of a frame of any size, at that size."""
        height, width = image_rgb.shape[:2]
        return fit_labels(self.engine.run(fit_frame(image_rgb, self.engine.size_hw)), (height, width))


def from_bundle(bundle: Bundle, backend: str, maker: str, threads: int, progress: Progress) -> Contender:
    """A bundle of ours, compiled and lowered as `etc-edge run` does it.

    Raises:
        CompileError: the backend cannot run it.
    """
    compiled = cached(bundle, backend, EngineOptions(threads=threads), progress)
    return Contender(
        f"{maker} · {backend}", maker, backend, bundle.precision, bundle.model_path.stat().st_size, compiled.load()
    )


def from_graph(graph: Path, backend: str, maker: str, threads: int, work: Path) -> Contender:
    """A peer's graph, compiled by the engine as it is.

    Args:
        graph: an ONNX file, or OpenVINO's XML.
        backend: the peer's own engine.
        maker: the peer.
        threads: of one inference.
        work: an existing folder for the compiled form.

    Raises:
        CompileError: the engine refused the graph, or crashed on it.
    """
    script = Path(__file__).with_name("plain_graph.py")
    compiled = work / f"{graph.stem}.compiled"
    command = [sys.executable, str(script), backend, str(graph), str(compiled), str(threads)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise CompileError(f"{backend} does not take the graph of {maker}: {reason}")
    engine = _ENGINES.load(backend)(compiled, threads)
    files = [file for file in (graph, graph.with_suffix(".bin")) if file.is_file()]
    size = sum(file.stat().st_size for file in files)
    return Contender(f"{maker} · {backend}", maker, backend, "int8", size, engine)


def times_ms(
    contenders: Sequence[Contender], frames: Sequence[UInt8], rounds: int, progress: Progress
) -> list[list[float]]:
    """Milliseconds of each contender in each round, taking turns.

    Args:
        contenders: of one input size.
        frames: uint8 (H, W, 3) of that size, used in turn.
        rounds: how many are counted.
        progress: told of every round.
    """
    return alternate([timed(contender.engine.run, frames) for contender in contenders], rounds, WARM_UP, progress)


def timed(run: Callable[[UInt8], object], frames: Sequence[UInt8]) -> Callable[[int], float]:
    """A call that runs on the next of the frames in turn, by its number, and gives its milliseconds."""

    def call(number: int) -> float:
        frame = frames[number % len(frames)]
        begun = time.perf_counter()
        run(frame)
        return (time.perf_counter() - begun) * 1e3

    return call
