"""The class that an application uses: a loaded network that labels frames of any size."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from types import TracebackType

import numpy as np
import numpy.typing as npt

from etc_edge.backends.base import EngineOptions
from etc_edge.backends.compiled import Compiled, is_compiled
from etc_edge.backends.targets import CPU, compiled_for
from etc_edge.core.bundle import Bundle
from etc_edge.core.environment import available_cores
from etc_edge.core.errors import EngineError
from etc_edge.core.labels import LabelSet
from etc_edge.core.progress import Progress
from etc_edge.frames.frame import SegmentedFrame
from etc_edge.frames.preprocess import fit_frame, fit_labels
from etc_edge.frames.source import Source, open_source
from etc_edge.runtime.pipeline import Pipeline
from etc_edge.runtime.results import Results, Stop
from etc_edge.runtime.streams import Stream, Streams

UInt8 = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Segmented:
    """Labels of one frame, uint8 (H, W) at the frame's size, and the milliseconds that each step took."""

    labels: UInt8
    preprocess_ms: float
    infer_ms: float
    postprocess_ms: float

    @property
    def latency_ms(self) -> float:
        """From the frame in hand to its labels in hand."""
        return self.preprocess_ms + self.infer_ms + self.postprocess_ms


class Segmenter:
    """A loaded network: give it a frame, get its labels.

    Each thread uses an instance of its own; two threads in one at the same time get an error, not wrong labels.
    Make it with `load` and close it, or use it in a `with` block.

    Args:
        compiled: the compiled form to load.
        threads: processor threads of one inference; None takes what it was compiled with.

    Raises:
        EngineError: the compiled form is damaged or was made for another device or version.
    """

    def __init__(self, compiled: Compiled, threads: int | None = None) -> None:
        self._engine = compiled.load(threads)
        self._compiled = compiled
        self._in_use = Lock()

    @classmethod
    def load(
        cls,
        model: str | Path | Bundle | Compiled,
        target: str = CPU,
        threads: int | None = None,
        progress: Progress | None = None,
    ) -> Segmenter:
        """Load a bundle or a compiled form, compiling the bundle when the cache does not hold it yet.

        Args:
            model: a bundle (`NAME.etc`), or a folder that `etc-edge compile --out` wrote.
            target: `cpu`, or a backend such as `onnxruntime`. A compiled form brings its own.
            threads: processor threads of one inference; None takes all that this process may use.
            progress: told what is compiled and chosen.

        Raises:
            EtcEdgeError: the model is missing, changed, or cannot run here.
        """
        if isinstance(model, Compiled) or (not isinstance(model, Bundle) and is_compiled(model)):
            compiled = model if isinstance(model, Compiled) else Compiled.open(model)
            if target not in (CPU, compiled.manifest.backend):
                raise EngineError(
                    f"Found an engine compiled for {compiled.manifest.backend} in {compiled.path}, "
                    f"expected one for {target}.",
                    "Leave --target out, or compile the bundle again.",
                )
            return cls(compiled, threads)
        bundle = model if isinstance(model, Bundle) else Bundle.open(model)
        bundle.verify()
        options = EngineOptions(threads=available_cores() if threads is None else threads)
        return cls(compiled_for(bundle, target, options, progress))

    @property
    def name(self) -> str:
        """The model's name."""
        return self._compiled.manifest.name

    @property
    def compiled(self) -> Compiled:
        """The compiled form that is loaded: backend, versions, classes, preprocessing."""
        return self._compiled

    @property
    def label_set(self) -> LabelSet:
        """Classes and colours of the labels."""
        return self._compiled.labels

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width that frames are resized to."""
        return self._engine.size_hw

    @property
    def threads(self) -> int:
        """Processor threads of one inference."""
        return self._engine.threads

    def __call__(self, frame_rgb: UInt8) -> UInt8:
        """Label one frame.

        Args:
            frame_rgb: uint8 (H, W, 3), red first, of any size.

        Returns:
            uint8 (H, W) at the frame's own size.

        Raises:
            EngineError: the frame is of another shape or dtype, or another thread uses this instance right now.
        """
        return self.segment(frame_rgb).labels

    def segment(self, frame_rgb: UInt8) -> Segmented:
        """Label one frame and say how long each step took; as calling the instance."""
        _check_image(frame_rgb)
        if not self._in_use.acquire(blocking=False):
            raise EngineError(
                "Found a second thread in a Segmenter that is at work, expected one thread at a time.",
                "Load one Segmenter for each thread.",
            )
        try:
            begun = time.perf_counter()
            fitted = fit_frame(frame_rgb, self._engine.size_hw)
            prepared = time.perf_counter()
            labels = self._engine.run(fitted)
            inferred = time.perf_counter()
            height, width, _ = frame_rgb.shape
            labels = fit_labels(labels, (height, width))
            done = time.perf_counter()
        finally:
            self._in_use.release()
        return Segmented(labels, (prepared - begun) * 1e3, (inferred - prepared) * 1e3, (done - inferred) * 1e3)

    def stream(self, source: str | Source) -> Results[SegmentedFrame]:
        """Label a source's frames in order, decoding ahead in a thread of its own; for `for` and for `async for`.

        Of what is live only the newest frame is labelled, and those that came meanwhile are left out.

        Args:
            source: an open source, which the caller closes, or the name of one: a path, an address,
                `synthetic:street`.

        Returns:
            labels, frame, index, timestamp_s and latency_ms of each frame.

        Raises:
            SourceError: when iterated: the source cannot be opened, or a frame cannot be read.
            EngineError: as calling the instance.
        """

        def begin(stop: Stop) -> Generator[SegmentedFrame, None, None]:
            with ExitStack() as stack:
                pipeline = Pipeline(_opened(source, stack), self.segment)
                stop.connect(pipeline.stop)
                yield from pipeline

        return Results(begin)

    def streams(self, sources: Sequence[str | Source]) -> Results[tuple[int, SegmentedFrame]]:
        """Label the frames of several sources, which take turns; otherwise as `stream`.

        Args:
            sources: one or more of what `stream` takes.

        Returns:
            The source's number, from 0, and what `stream` gives.

        Raises:
            SourceError, EngineError: as `stream`; the first error ends all.
        """

        def begin(stop: Stop) -> Generator[tuple[int, SegmentedFrame], None, None]:
            with ExitStack() as stack:
                streams = Streams([Stream(_opened(source, stack)) for source in sources], self.segment)
                stop.connect(streams.stop)
                yield from streams

        return Results(begin)

    def close(self) -> None:
        """Free the engine; closing twice does no harm."""
        self._engine.close()

    def __enter__(self) -> Segmenter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _opened(source: str | Source, stack: ExitStack) -> Source:
    return stack.enter_context(open_source(source)) if isinstance(source, str) else source


def _check_image(frame_rgb: UInt8) -> None:
    if not isinstance(frame_rgb, np.ndarray):
        raise EngineError(f"Found a frame of type {type(frame_rgb).__name__}, expected a numpy array uint8 (H, W, 3).")
    if frame_rgb.dtype != np.uint8 or frame_rgb.ndim != 3 or frame_rgb.shape[2] != 3 or 0 in frame_rgb.shape:
        raise EngineError(
            f"Found a frame {frame_rgb.dtype} {frame_rgb.shape}, expected uint8 (H, W, 3), red first.",
            "A grey or RGBA image has to be converted; OpenCV images are blue first: frame[..., ::-1].",
        )
