"""Run a model on a video, a folder of images or the synthetic street."""

from __future__ import annotations

import time
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from etc_edge.backends.compiled import Compiled, is_compiled
from etc_edge.backends.targets import CPU, check_target
from etc_edge.core.bundle import Bundle
from etc_edge.core.errors import SinkError
from etc_edge.core.labels import LabelSet
from etc_edge.core.progress import Progress, Silent
from etc_edge.core.results import Latency
from etc_edge.frames.jsonl_sink import JsonlSink
from etc_edge.frames.label_sink import LabelSink
from etc_edge.frames.overlay import Overlay
from etc_edge.frames.sink import Sink
from etc_edge.frames.source import ASSUMED_FPS, Source, open_source
from etc_edge.frames.video_sink import VideoSink
from etc_edge.runtime.pipeline import Pipeline
from etc_edge.runtime.segmenter import Segmenter

_SECONDS_BETWEEN_FIGURES = 0.5


@dataclass(frozen=True)
class Outputs:
    """Where results go; None leaves one out.

    Args:
        video: an overlay video, `.mp4`, `.mov` or `.mkv`.
        labels: a folder of label PNGs.
        json: a file with one JSON object a frame.
    """

    video: Path | None = None
    labels: Path | None = None
    json: Path | None = None


@dataclass(frozen=True)
class RunReport:
    """What a run did.

    Args:
        model: its name.
        backend: the engine that ran it, with its version.
        threads: of one inference.
        frames: how many were labelled.
        seconds: from the first frame asked for until every output was finished.
        stages_ms: milliseconds a frame by stage; `latency` is preprocess, infer and postprocess together.
    """

    model: str
    backend: str
    threads: int
    frames: int
    seconds: float
    stages_ms: dict[str, Latency]

    @property
    def fps(self) -> float:
        """Frames a second, decoding and writing included."""
        return self.frames / self.seconds


def run(
    model: Path,
    source: str,
    outputs: Outputs | None = None,
    target: str = CPU,
    frames: int | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> RunReport:
    """Label a source's frames and write the results, decoding and writing while the network works.

    On Ctrl-C outputs are finished with what is there and KeyboardInterrupt goes on; on an error they are removed.

    Args:
        model: a bundle or a compiled form.
        source: a video, a folder or glob of images, `synthetic:street`.
        outputs: where results go.
        target: what a bundle is compiled for.
        frames: how many to take; None takes all.
        threads: processor threads of one inference; None takes all that this process may use.
        progress: told of every frame, with frames a second and latency.

    Raises:
        EtcEdgeError: the model cannot run here, a frame cannot be read, or an output cannot be written.
    """
    progress, outputs = progress or Silent(), outputs or Outputs()
    check_target(target)
    label_set = Compiled.open(model).labels if is_compiled(model) else Bundle.open(model).labels
    with ExitStack() as stack:
        opened = stack.enter_context(open_source(source))
        sinks = _sinks(outputs, opened, label_set, model.stem, stack)
        segmenter = stack.enter_context(Segmenter.load(model, target, threads, progress))
        pipeline = Pipeline(opened, segmenter.segment, sinks, frames=frames)
        total = opened.frame_count if frames is None else min(frames, opened.frame_count or frames)
        manifest, count = segmenter.compiled.manifest, segmenter.threads
        begun = time.perf_counter()
        done = 0
        with closing(iter(pipeline)) as results, progress.task(segmenter.name, total) as task:
            shown = begun
            for done, _ in enumerate(results, 1):
                figures = {}
                if (now := time.perf_counter()) - shown > _SECONDS_BETWEEN_FIGURES:
                    shown, figures = now, _figures(pipeline, done / (now - begun))
                task.advance(1, **figures)
    seconds = time.perf_counter() - begun
    stages_ms = {name: found for name, timings in pipeline.timings.items() if (found := timings.figures())}
    backend = f"{manifest.backend} {manifest.backend_version}"
    return RunReport(manifest.name, backend, count, done, seconds, stages_ms)


def _sinks(outputs: Outputs, source: Source, label_set: LabelSet, title: str, stack: ExitStack) -> dict[str, Sink]:
    """The outputs that were asked for, by the name that their timings get."""
    _refuse_to_overwrite(outputs, source)
    sinks: dict[str, Sink] = {}
    if outputs.video is not None:
        overlay = Overlay(label_set, title=title)
        sinks["video"] = stack.enter_context(VideoSink(outputs.video, source.fps or ASSUMED_FPS, overlay))
    if outputs.labels is not None:
        sinks["labels"] = stack.enter_context(LabelSink(outputs.labels))
    if outputs.json is not None:
        sinks["json"] = stack.enter_context(JsonlSink(outputs.json, label_set))
    return sinks


def _refuse_to_overwrite(outputs: Outputs, source: Source) -> None:
    read = Path(source.name).resolve()
    for path in (outputs.video, outputs.labels, outputs.json):
        if path is not None and path.exists() and path.resolve() == read:
            raise SinkError(f"Found {path} as source and as output, expected two places.", "Choose another output.")


def _figures(pipeline: Pipeline, fps: float) -> dict[str, str]:
    latency = pipeline.timings["latency"].figures()
    if latency is None:
        return {}
    return {"fps": f"{fps:.1f}", "p50": f"{latency.p50:.1f} ms", "p99": f"{latency.p99:.1f} ms"}
