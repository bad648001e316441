"""Time models on engines against each other in one run."""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from time import perf_counter

import numpy as np
import numpy.typing as npt
from msgspec import UNSET

from etc_edge.backends.compiled import is_compiled
from etc_edge.backends.targets import CPU, check_target
from etc_edge.benchmark.model import described_model
from etc_edge.benchmark.protocol import alternate, pair_ratio
from etc_edge.core.bundle import Bundle, is_bundle
from etc_edge.core.environment import device, versions
from etc_edge.core.errors import BundleError, SourceError
from etc_edge.core.progress import Progress, Silent
from etc_edge.core.results import Data, Latency, Model, Results
from etc_edge.frames.source import open_source
from etc_edge.metrics.intervals import figure_intervals
from etc_edge.metrics.latency import latency
from etc_edge.metrics.samples import FrameSamples, SampleRecorder
from etc_edge.runtime.segmenter import Segmented, Segmenter

UInt8 = npt.NDArray[np.uint8]

WARM_UP = 5

# Distinct frames held in memory; more rounds than that use them again.
_FRAMES_HELD = 32


@dataclass(frozen=True)
class BenchmarkReport:
    """One result for each model and target, and its time as a multiple of the first one's, pair by pair."""

    results: list[Results]
    ratios: list[float]


def benchmark(
    models: Sequence[Path],
    source: str | None = None,
    targets: Sequence[str] = (CPU,),
    frames: int = 100,
    threads: int | None = None,
    progress: Progress | None = None,
) -> BenchmarkReport:
    """Time every model on every target, taking turns frame by frame.

    Args:
        models: bundles, or compiled forms, which bring their own target.
        source: where frames come from; None takes the first bundle's self-test frames.
        targets: what bundles are compiled for.
        frames: rounds that are measured, after five that are not.
        threads: processor threads of one inference; None takes all that this process may use.
        progress: told what goes on.

    Raises:
        EtcEdgeError: a model cannot run here, or the source gives no frames.
    """
    progress = progress or Silent()
    for target in targets:
        check_target(target)
    images, decode_ms, data_name = _images(models, source)
    with ExitStack() as stack:
        loaded = [
            (path, stack.enter_context(Segmenter.load(path, target, threads, progress)))
            for path in models
            for target in (targets if not is_compiled(path) else (CPU,))
        ]
        contenders = [_contender(segmenter, images) for _, segmenter in loaded]
        samples = alternate(contenders, frames, WARM_UP, progress)
        results = [
            _result(described_model(path, segmenter), Data(name=data_name, frames=frames), its_samples, decode_ms)
            for (path, segmenter), its_samples in zip(loaded, samples, strict=True)
        ]
    latencies_ms = [[sample.latency_ms for sample in its_samples] for its_samples in samples]
    if len(results) == 1:
        results = [_with_peak_memory(results[0])]
    return BenchmarkReport(results, [pair_ratio(its_ms, latencies_ms[0]) for its_ms in latencies_ms])


def split_arguments(arguments: Sequence[str]) -> tuple[list[Path], str | None]:
    """Tell models from the source of frames: the last argument, where it is neither a bundle nor a compiled form.

    Raises:
        BundleError: no model is left, or one that is not the last is none.
    """
    *others, last = arguments
    if is_compiled(last) or is_bundle(last) or Path(last).suffix == ".etc":
        return [Path(argument) for argument in arguments], None
    if not others:
        raise BundleError(f"Found only {last}, expected a bundle (NAME.etc) or a compiled engine to benchmark.")
    return [Path(argument) for argument in others], last


def _contender(segmenter: Segmenter, images: Sequence[UInt8]) -> Callable[[int], Segmented]:
    return lambda number: segmenter.segment(images[number % len(images)])


def _images(models: Sequence[Path], source: str | None) -> tuple[list[UInt8], list[float], str]:
    """Frames to measure on, how long each took to decode (nothing where none was), and what they are called."""
    if source is None:
        for path in models:
            if not is_compiled(path):
                bundle = Bundle.open(path)
                return list(bundle.selftest().frames), [], f"self-test of {bundle.name}"
        raise SourceError("Found only compiled engines, which hold no frames.", "Name a SOURCE, such as a video file.")
    images: list[UInt8] = []
    decode_ms: list[float] = []
    with open_source(source) as opened:
        frames = iter(islice(opened, _FRAMES_HELD))
        begun = perf_counter()
        for frame in frames:
            decode_ms.append((perf_counter() - begun) * 1e3)
            images.append(frame.image_rgb)
            begun = perf_counter()
    if not images:
        raise SourceError(f"Found no frames in {source}, expected one or more.")
    return images, decode_ms, source


def _result(model: Model, data: Data, samples: Sequence[Segmented], decode_ms: Sequence[float]) -> Results:
    stages: dict[str, Latency] = {"decode": latency(decode_ms)} if decode_ms else {}
    stages["preprocess"] = latency([sample.preprocess_ms for sample in samples])
    stages["infer"] = latency([sample.infer_ms for sample in samples])
    stages["postprocess"] = latency([sample.postprocess_ms for sample in samples])
    total = latency([sample.latency_ms for sample in samples])
    recorder = SampleRecorder(())
    recorder.begin_clip(data.name)
    for sample in samples:
        recorder.add(sample.latency_ms, None, None, None)
    recorded = recorder.samples()
    return Results(
        bundle=model,
        data=data,
        device=device(),
        versions=versions(),
        latency_ms=total,
        stages_ms=stages,
        throughput_fps=1e3 / total.mean,
        intervals=figure_intervals(FrameSamples.of(recorded)) or UNSET,
        samples=recorded,
    )


def _with_peak_memory(result: Results) -> Results:
    """Resident memory at its highest: it tells about a model only where the process held no other."""
    import msgspec

    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return msgspec.structs.replace(result, peak_memory_bytes=kilobytes * (1 if sys.platform == "darwin" else 1024))
