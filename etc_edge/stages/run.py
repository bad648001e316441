"""Run a model on videos, folders of images, cameras, network streams or the synthetic street."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from etc_edge.backends.compiled import Compiled, is_compiled
from etc_edge.backends.table import CPU_BACKENDS
from etc_edge.backends.targets import CPU, check_target
from etc_edge.core.bundle import Bundle
from etc_edge.core.errors import SinkError
from etc_edge.core.labels import LabelSet
from etc_edge.core.progress import Progress, Silent
from etc_edge.core.results import Latency
from etc_edge.frames.jsonl_sink import JsonlSink
from etc_edge.frames.label_sink import LabelSink
from etc_edge.frames.live_source import LiveSource
from etc_edge.frames.overlay import Overlay
from etc_edge.frames.sink import NullSink, Sink
from etc_edge.frames.source import ASSUMED_FPS, Source, open_source
from etc_edge.frames.stream_sink import StreamSink, is_address
from etc_edge.frames.video_sink import VideoSink
from etc_edge.frames.video_source import VideoSource
from etc_edge.runtime.crew import AT_MOST, shares
from etc_edge.runtime.preview import Preview
from etc_edge.runtime.preview.board import Facts
from etc_edge.runtime.preview.preview import STAGE
from etc_edge.runtime.preview.shadow import EVERY, Shadow
from etc_edge.runtime.segmenter import Segmenter
from etc_edge.runtime.steadiness import SteadinessWatch
from etc_edge.runtime.streams import Stream, Streams

_SECONDS_BETWEEN_FIGURES = 0.5

NULL = "null"


@dataclass(frozen=True)
class Outputs:
    """Where results go; None leaves one out.

    Args:
        video: an overlay video, `.mp4`, `.mov` or `.mkv`.
        labels: a folder of label PNGs.
        json: a file with one JSON object a frame.
        steadiness: whether those objects hold running tc and flicker against the frame before.
        others: further videos, addresses to send to (`rtsp://…`, `tcp://…`, `udp://…`), or `null`; any number.
    """

    video: Path | None = None
    labels: Path | None = None
    json: Path | None = None
    steadiness: bool = False
    others: tuple[str, ...] = ()

    @property
    def videos(self) -> list[Path]:
        """Every video file."""
        others = [Path(name) for name in self.others if name != NULL and not is_address(name)]
        return [*([] if self.video is None else [self.video]), *others]

    def numbered(self, number: int) -> Outputs:
        """The outputs of one of several sources: `out-1.mp4`, `labels-1`, `out-1.jsonl`, `rtsp://server/street-1`.

        Raises:
            SinkError: several sources would be sent to one `tcp` or `udp` address.
        """
        video, labels, json = (
            path and path.with_name(f"{path.stem}-{number}{path.suffix}")
            for path in (self.video, self.labels, self.json)
        )
        return Outputs(video, labels, json, self.steadiness, tuple(_numbered(name, number) for name in self.others))


@dataclass(frozen=True)
class ShadowOptions:
    """A model, usually the FP32 one, that labels every n-th frame again to see how far the running one strays."""

    model: Path
    every: int = EVERY


@dataclass(frozen=True)
class RunReport:
    """What a run did.

    Args:
        model: its name.
        backend: the engine that ran it, with its version.
        threads: of one inference; where several run at the same time, of the one with most.
        at_once: inferences that run at the same time.
        frames_by_source: how many were labelled, of each source.
        dropped: frames of live sources that were not waited for, by stage.
        seconds: from the first frame asked for until every output was finished.
        decoders: what decoded each source, `software` or a device type of FFmpeg's; "" where nothing was to decode.
        stages_ms: milliseconds a frame by stage; `latency` is preprocess, infer and postprocess together. Of several
            sources what each has to itself has its number: `decode 1`.
    """

    model: str
    backend: str
    threads: int
    at_once: int
    frames_by_source: tuple[int, ...]
    dropped: dict[str, int]
    seconds: float
    decoders: tuple[str, ...]
    stages_ms: dict[str, Latency]

    @property
    def frames(self) -> int:
        """How many were labelled, of all sources."""
        return sum(self.frames_by_source)

    @property
    def fps(self) -> float:
        """Frames a second of all sources together, decoding and writing included."""
        return self.frames / self.seconds


def run(
    model: Path,
    sources: str | Sequence[str],
    outputs: Outputs | None = None,
    target: str = CPU,
    frames: int | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
    wait: bool | None = None,
    preview: Preview | None = None,
    shadow: ShadowOptions | None = None,
    at_once: int | None = None,
) -> RunReport:
    """Label sources' frames and write the results, decoding and writing while the network works.

    Several sources share the network and take turns; each has outputs of its own, as `Outputs.numbered` names them.
    On Ctrl-C outputs are finished with what is there and KeyboardInterrupt goes on; on an error they are removed.

    Args:
        model: a bundle or a compiled form.
        sources: one or more: a video, a folder or glob of images, a camera, an address, `synthetic:street`.
        outputs: where results go.
        target: what a bundle is compiled for.
        frames: how many of each source; None takes all.
        threads: processor threads of all inferences that run at once; None takes all that this process may use.
        progress: told of every frame, with frames a second and latency, and of streams that go away and come back.
        wait: whether everything waits for outputs that are too slow, or nothing does; None lets files wait for files.
        preview: a web page to show it on; the caller closes it.
        shadow: a second model to compare some frames with, for that page.
        at_once: frames that are labelled at the same time, the threads shared among them; None takes one where frames
            are live, where `threads` are given and where no processor runs the network, else up to `crew.AT_MOST`.

    Raises:
        EtcEdgeError: the model cannot run here, a frame cannot be read, or an output cannot be written.
    """
    progress, outputs = progress or Silent(), outputs or Outputs()
    names = [sources] if isinstance(sources, str) else list(sources)
    check_target(target)
    label_set = _label_set(model)
    if shadow is not None:
        # What is not there is said before anything is compiled.
        _label_set(shadow.model)
    with ExitStack() as stack:
        opened = [stack.enter_context(open_source(name)) for name in names]
        for source in opened:
            if isinstance(source, LiveSource):
                source.told = progress.say
        places = [outputs] if len(opened) == 1 else [outputs.numbered(number) for number in range(1, len(opened) + 1)]
        _refuse_to_overwrite(places, opened)
        lanes = [
            Stream(
                source,
                {
                    **_sinks(place, source, label_set, model.stem, stack, progress),
                    **_shown(preview, source, label_set, stack),
                },
            )
            for place, source in zip(places, opened, strict=True)
        ]
        segmenter = stack.enter_context(Segmenter.load(model, target, threads, progress))
        if preview is not None and shadow is not None:
            preview.compare(stack.enter_context(closing(Shadow(shadow.model, label_set, target, shadow.every))))
        if at_once is None and (threads is not None or any(source.live for source in opened)):
            at_once = 1
        segmenters = _side_by_side(segmenter, at_once, _total(opened, frames), stack)
        streams = Streams(lanes, [one.segment for one in segmenters], frames=frames, wait=wait)
        manifest, count = segmenter.compiled.manifest, segmenters[0].threads
        backend = f"{manifest.backend} {manifest.backend_version}"
        if preview is not None:
            preview.follow(streams, opened, Facts(manifest.name, backend, count))
        begun = time.perf_counter()
        with closing(iter(streams)) as results, progress.task(segmenter.name, _total(opened, frames)) as task:
            shown = begun
            for done, _ in enumerate(results, 1):
                figures = {}
                if (now := time.perf_counter()) - shown > _SECONDS_BETWEEN_FIGURES:
                    shown, figures = now, _figures(streams, done / (now - begun))
                task.advance(1, **figures)
    seconds = time.perf_counter() - begun
    stages_ms = {name: found for name, timings in streams.timings.items() if (found := timings.figures())}
    decoders = tuple(str(getattr(source, "decoder", "")) for source in opened)
    return RunReport(
        manifest.name,
        backend,
        count,
        len(segmenters),
        streams.labelled,
        streams.dropped,
        seconds,
        decoders,
        stages_ms,
    )


def _side_by_side(
    segmenter: Segmenter, at_once: int | None, frames: int | None, stack: ExitStack
) -> Sequence[Segmenter]:
    """A loaded network, or several in its place that share its threads and label frames at the same time."""
    if segmenter.compiled.manifest.backend not in CPU_BACKENDS:
        return [segmenter]
    threads = shares(segmenter.threads, frames, AT_MOST if at_once is None else at_once)
    if len(threads) == 1:
        return [segmenter]
    segmenter.close()
    return [stack.enter_context(Segmenter(segmenter.compiled, count)) for count in threads]


def _label_set(model: Path) -> LabelSet:
    return Compiled.open(model).labels if is_compiled(model) else Bundle.open(model).labels


def _total(sources: Sequence[Source], frames: int | None) -> int | None:
    """How many frames will be labelled, or None where that is not known."""
    counts = [source.frame_count if frames is None else min(frames, source.frame_count or frames) for source in sources]
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def _numbered(name: str, number: int) -> str:
    if name == NULL:
        return name
    if not is_address(name):
        path = Path(name)
        return str(path.with_name(f"{path.stem}-{number}{path.suffix}"))
    if not name.lower().startswith("rtsp:"):
        raise SinkError(f"Found several sources and the one address {name}.", "RTSP takes each at a path of its own.")
    before, mark, query = name.partition("?")
    return f"{before}-{number}{mark}{query}"


def _sinks(
    outputs: Outputs, source: Source, label_set: LabelSet, title: str, stack: ExitStack, progress: Progress
) -> dict[str, Sink]:
    """The outputs that were asked for, by the name that their timings get."""
    sinks: dict[str, Sink] = {}
    fps = source.fps or ASSUMED_FPS
    sound = source.path if isinstance(source, VideoSource) else None
    for number, path in enumerate(outputs.videos, 1):
        sinks["video" if number == 1 else f"video {path.name}"] = stack.enter_context(
            VideoSink(path, fps, Overlay(label_set, title=title, again=True), timed=source.live, sound=sound)
        )
    for name in outputs.others:
        if is_address(name):
            stream = StreamSink(name, fps, Overlay(label_set, title=title, again=True), told=progress.say)
            sinks[f"stream {stream.name}"] = stack.enter_context(stream)
        elif name == NULL:
            sinks[NULL] = stack.enter_context(NullSink())
    if outputs.labels is not None:
        sinks["labels"] = stack.enter_context(LabelSink(outputs.labels))
    if outputs.json is not None:
        watch = SteadinessWatch(len(label_set)) if outputs.steadiness else None
        more = None if watch is None else lambda result: watch(result).to_dict()
        sinks["json"] = stack.enter_context(JsonlSink(outputs.json, label_set, more))
    return sinks


def _shown(preview: Preview | None, source: Source, label_set: LabelSet, stack: ExitStack) -> dict[str, Sink]:
    """The stream's view on the page, under a name that does not tell where a file lies."""
    if preview is None:
        return {}
    name = source.name if "://" in source.name or source.live else Path(source.name).name
    return {STAGE: stack.enter_context(preview.view(name, label_set))}


def _refuse_to_overwrite(places: Sequence[Outputs], sources: Sequence[Source]) -> None:
    read = {Path(source.name).resolve() for source in sources}
    for place in places:
        for path in (*place.videos, place.labels, place.json):
            if path is not None and path.exists() and path.resolve() in read:
                raise SinkError(f"Found {path} as source and as output, expected two places.", "Choose another output.")


def _figures(streams: Streams, fps: float) -> dict[str, str]:
    latency = streams.timings["latency"].figures()
    if latency is None:
        return {}
    figures = {"fps": f"{fps:.1f}", "p50": f"{latency.p50:.1f} ms", "p99": f"{latency.p99:.1f} ms"}
    dropped = sum(streams.dropped.values())
    return {**figures, "dropped": str(dropped)} if dropped else figures
