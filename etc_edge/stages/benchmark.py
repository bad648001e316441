"""Time models on engines against each other in one run."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import UNSET

from etc_edge.backends.base import EngineOptions
from etc_edge.backends.compiled import Compiled, is_compiled
from etc_edge.backends.table import CPU_BACKENDS
from etc_edge.backends.targets import CPU, check_target, compiled_for
from etc_edge.benchmark.conditions import ConditionsWatch
from etc_edge.benchmark.contender import Contender
from etc_edge.benchmark.load import at_once, at_rate, counts_up_to, threads_of_each
from etc_edge.benchmark.memory import memory_of
from etc_edge.benchmark.model import described_compiled
from etc_edge.benchmark.power import Measured, find_meter, metered
from etc_edge.benchmark.protocol import pair_ratio
from etc_edge.benchmark.rounds import WARM_UP, Effort, Timed, precision_of, timed_rounds
from etc_edge.benchmark.timed_frame import TimedFrame
from etc_edge.benchmark.yardstick import SHIPPED, yardstick_figures, yardsticks_for
from etc_edge.core.bundle import Bundle, is_bundle
from etc_edge.core.environment import available_cores, device, versions
from etc_edge.core.errors import BundleError, EtcEdgeError, SourceError
from etc_edge.core.progress import Progress, Silent
from etc_edge.core.results import AtRate, Data, Latency, Protocol, Results, Scaling
from etc_edge.frames.source import open_source
from etc_edge.metrics.intervals import figure_intervals
from etc_edge.metrics.latency import latency
from etc_edge.metrics.samples import FrameSamples, SampleRecorder

UInt8 = npt.NDArray[np.uint8]

# Distinct frames held in memory; more turns than that use them again.
_FRAMES_HELD = 32
EXPORTED = (".safetensors", ".pt", ".pth", ".onnx")
"""What `sizes_hw` exports."""


@dataclass(frozen=True)
class Load:
    """What is measured besides single frames, for every model.

    Args:
        rates_fps: frames that arrive so many a second.
        streams: from one up to so many engines at the same time, which share the cores.
        threads: from one up to so many threads of one inference.
        seconds: of each of these, and of running flat out.
        memory: whether to load every engine in a process of its own and see what it takes.
    """

    rates_fps: tuple[float, ...] = ()
    streams: int = 1
    threads: int = 1
    seconds: float = 3.0
    memory: bool = True


@dataclass(frozen=True)
class BenchmarkReport:
    """One result for each model and target, and its time as a multiple of the first one's, pair by pair."""

    results: list[Results]
    ratios: list[float]


def benchmark(
    models: Sequence[Path],
    source: str | None = None,
    targets: Sequence[str] = (CPU,),
    effort: Effort | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
    *,
    yardstick: Path | None = SHIPPED,
    load: Load | None = None,
    sizes_hw: Sequence[tuple[int, int]] = (),
) -> BenchmarkReport:
    """Time every model on every target, taking turns frame by frame, in rounds that load every engine anew.

    Args:
        models: bundles, or compiled forms, which bring their own target; with `sizes_hw` also checkpoints and ONNX
            files of ours.
        source: where frames come from; None takes the first bundle's self-test frames.
        targets: what bundles are compiled for.
        effort: how long to measure; None until figures are precise, a minute at most.
        threads: processor threads of one inference; None takes all that this process may use.
        progress: told what goes on.
        yardstick: a bundle that is timed along on every engine; None leaves it out.
        load: what is measured besides; None only runs flat out.
        sizes_hw: export every checkpoint and ONNX file at each of these sizes, and time all of them.

    Raises:
        EtcEdgeError: a model cannot run here, or the source gives no frames.
    """
    progress, effort, load = progress or Silent(), effort or Effort(), load or Load()
    if effort.frames is not None and effort.frames < 1:
        raise EtcEdgeError(f"Found {effort.frames} frames to measure, expected 1 or more.")
    for target in targets:
        check_target(target)
    with ExitStack() as stack:
        if sizes_hw:
            work = Path(stack.enter_context(TemporaryDirectory(prefix="etc-edge-")))
            models = _at_sizes(models, sizes_hw, work, progress)
        images, decode_ms, data_name = _images(models, source)
        contenders = [
            _contender(path, target, threads, images, progress)
            for path in models
            for target in (targets if not is_compiled(path) else (CPU,))
        ]
        sticks, whose = yardsticks_for(contenders, yardstick, progress)
        watch = ConditionsWatch()
        timed = timed_rounds([*contenders, *sticks], len(contenders), effort, progress)
        conditions = watch.conditions()
        run = uuid.uuid4().hex
        results = []
        for number, contender in enumerate(contenders):
            place = whose[number]
            stick = None if place is None else (sticks[place], timed.rounds[len(contenders) + place])
            measured = _Measured(contender, timed.rounds[number], stick, decode_ms)
            found = measured.results(Data(name=data_name, frames=len(timed.of(number))))
            protocol = _protocol(run, timed, number, len(contenders) + len(sticks), effort)
            results.append(_replaced(found, protocol=protocol, conditions=conditions))
        results = [
            _with_load(one, contender, load, progress) for one, contender in zip(results, contenders, strict=True)
        ]
    latencies_ms = [[frame.latency_ms for frame in timed.of(number)] for number in range(len(contenders))]
    return BenchmarkReport(results, [pair_ratio(its_ms, latencies_ms[0]) for its_ms in latencies_ms])


def split_arguments(arguments: Sequence[str], checkpoints: bool = False) -> tuple[list[Path], str | None]:
    """Tell models from the source of frames: the last argument, where it is neither a bundle nor a compiled form.

    Args:
        arguments: of the command line.
        checkpoints: whether checkpoints and ONNX files are models too.

    Raises:
        BundleError: no model is left, or one that is not the last is none.
    """
    *others, last = arguments
    exported = checkpoints and Path(last).suffix in EXPORTED
    if exported or is_compiled(last) or is_bundle(last) or Path(last).suffix == ".etc":
        return [Path(argument) for argument in arguments], None
    if not others:
        raise BundleError(f"Found only {last}, expected a bundle (NAME.etc) or a compiled engine to benchmark.")
    return [Path(argument) for argument in others], last


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


@dataclass(frozen=True)
class _Measured:
    """A model's rounds, and those of its yardstick where it has one."""

    contender: Contender
    rounds: Sequence[Sequence[TimedFrame]]
    stick: tuple[Contender, Sequence[Sequence[TimedFrame]]] | None
    decode_ms: Sequence[float]
    frames: list[TimedFrame] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "frames", [frame for one in self.rounds for frame in one])

    def results(self, data: Data) -> Results:
        samples = self._samples()
        total = latency([frame.latency_ms for frame in self.frames])
        found = Results(
            bundle=described_compiled(self.contender.path, self.contender.compiled, self._threads()),
            data=data,
            device=device(),
            versions=versions(),
            latency_ms=total,
            stages_ms=self._stages(),
            modes_ms=self._modes(),
            throughput_fps=1e3 / total.mean,
            intervals=figure_intervals(FrameSamples.of(samples.samples())) or UNSET,
            samples=samples.samples(),
        )
        if self.stick is None:
            return found
        contender, rounds = self.stick
        its = [frame for one in rounds for frame in one]
        return _replaced(found, yardstick=yardstick_figures(contender, its, self.frames))

    def _threads(self) -> int:
        return self.contender.threads or self.contender.compiled.options.threads

    def _samples(self) -> SampleRecorder:
        recorder = SampleRecorder(())
        for number, ours in enumerate(self.rounds):
            recorder.begin_clip(f"round {number + 1}")
            theirs = [None] * len(ours) if self.stick is None else self.stick[1][number]
            for frame, other in zip(ours, theirs, strict=True):
                recorder.add_timing(frame.latency_ms, None if other is None else other.latency_ms)
        return recorder

    def _stages(self) -> dict[str, Latency]:
        stages = {"decode": latency(self.decode_ms)} if self.decode_ms else {}
        for name in ("preprocess", "infer", "postprocess"):
            stages[name] = latency([getattr(frame, f"{name}_ms") for frame in self.frames])
        return stages

    def _modes(self) -> dict[str, Latency]:
        alone = [frame.engine_ms for frame in self.frames if frame.engine_ms is not None]
        modes = {"engine": latency(alone)} if alone else {}
        modes["copies"] = latency([frame.infer_ms for frame in self.frames])
        if self.decode_ms:
            decode_ms = (self.decode_ms[number % len(self.decode_ms)] for number in range(len(self.frames)))
            pairs = zip(self.frames, decode_ms, strict=True)
            modes["end_to_end"] = latency([frame.latency_ms + ms for frame, ms in pairs])
        return modes


def _replaced(results: Results, **changed: object) -> Results:
    return msgspec.structs.replace(results, **changed)


def _protocol(run: str, timed: Timed, number: int, interleaved: int, effort: Effort) -> Protocol:
    rounds = timed.rounds[number]
    return Protocol(
        run=run,
        warm_up=WARM_UP,
        rounds=len(rounds),
        frames=len(rounds[0]),
        interleaved=interleaved,
        precision=precision_of(rounds),
        asked={} if effort.frames is not None else dict(effort.asked),
        reached=timed.reached if effort.frames is None else True,
    )


def _contender(path: Path, target: str, threads: int | None, images: Sequence[UInt8], progress: Progress) -> Contender:
    if is_compiled(path):
        return Contender(path, Compiled.open(path), threads, images)
    bundle = Bundle.open(path)
    bundle.verify()
    options = EngineOptions(threads=available_cores() if threads is None else threads)
    return Contender(path, compiled_for(bundle, target, options, progress), threads, images)


def _at_sizes(
    models: Sequence[Path], sizes_hw: Sequence[tuple[int, int]], work: Path, progress: Progress
) -> list[Path]:
    """Models as they are, checkpoints and ONNX files as a bundle of every size."""
    from etc_edge.stages.export import ExportOptions, export

    found: list[Path] = []
    for model in models:
        if is_compiled(model) or is_bundle(model):
            found.append(model)
            continue
        for height, width in sizes_hw:
            out = work / f"{model.stem}-{height}x{width}.etc"
            options = ExportOptions(name=f"{model.stem} {height}x{width}", size_hw=(height, width))
            found.append(export(model, out, options, progress).bundle.path)
    return found


def _with_load(results: Results, contender: Contender, load: Load, progress: Progress) -> Results:
    """Results with what a model does flat out, by the clock, several at once, and what memory it takes."""
    threads = contender.threads or contender.compiled.options.threads
    progress.say(f"{results.bundle.name} on {results.bundle.target}: flat out, memory and load")
    flat, power = _flat_out(contender, threads, load.seconds)
    scaling = {_key(flat): flat}
    for count in counts_up_to(load.threads) if load.threads > 1 else ():
        scaling.setdefault(f"1x{count}", at_once(contender, 1, count, load.seconds))
    for count in counts_up_to(load.streams) if load.streams > 1 else ():
        one = at_once(contender, count, threads_of_each(count), load.seconds)
        scaling.setdefault(_key(one), one)
    rates: dict[str, AtRate] = {f"{rate:g}": at_rate(contender, rate, load.seconds) for rate in load.rates_fps}
    memory = memory_of(contender.compiled, contender.threads) if load.memory else None
    return _replaced(
        results,
        throughput_fps=flat.throughput_fps,
        scaling=scaling if len(scaling) > 1 else UNSET,
        at_rate=rates or UNSET,
        memory=UNSET if memory is None else memory[0],
        peak_memory_bytes=UNSET if memory is None else memory[1],
        power=UNSET if power is None else power.power,
        energy_j_per_frame=UNSET if power is None else power.j_per_frame,
    )


def _flat_out(contender: Contender, threads: int, seconds: float) -> tuple[Scaling, Measured | None]:
    """One stream as fast as it goes, and its power where there is a meter."""
    meter = find_meter(contender.compiled.manifest.backend in CPU_BACKENDS)
    if meter is None:
        return at_once(contender, 1, threads, seconds), None
    found: list[Measured] = []
    try:
        flat = at_once(contender, 1, threads, seconds, lambda work: found.append(metered(meter, work)))
    finally:
        meter.close()
    return flat, found[0]


def _key(scaling: Scaling) -> str:
    return f"{scaling.streams}x{scaling.threads}"
