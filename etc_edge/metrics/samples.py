"""What each frame adds to the figures: gathered while a model is measured, read again by intervals and reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from msgspec import UNSET, UnsetType

from etc_edge.core.errors import ResultsError
from etc_edge.core.packed import Packed, pack, unpack
from etc_edge.core.results import Samples
from etc_edge.metrics.confusion import Counts
from etc_edge.metrics.rounds import split_rounds

Float = npt.NDArray[np.float64]


def class_counts(matrix: Counts) -> Counts:
    """Intersections and unions of each class, int64 (2, classes), of a confusion matrix."""
    intersections = np.diagonal(matrix)
    return np.stack([intersections, matrix.sum(0) + matrix.sum(1) - intersections])


@dataclass
class SampleRecorder:
    """Gathers rows of counts, frame by frame.

    Args:
        classes: names of the classes.
    """

    classes: tuple[str, ...]
    clips: list[str] = field(default_factory=list)
    clip_frames: list[int] = field(default_factory=list)
    latencies_ms: list[float] = field(default_factory=list)
    truth: list[npt.NDArray[np.int32]] = field(default_factory=list)
    steadiness: list[npt.NDArray[np.int32]] = field(default_factory=list)
    flicker: list[tuple[int, int]] = field(default_factory=list)
    yardsticks_ms: list[float] = field(default_factory=list)

    def begin_clip(self, name: str) -> None:
        """Say that the next frame begins a clip."""
        self.clips.append(name)
        self.clip_frames.append(0)

    def add(
        self, latency_ms: float, truth: Counts | None, steadiness: Counts | None, flicker: tuple[int, int] | None
    ) -> None:
        """Add the clip's next frame.

        Args:
            latency_ms: from the frame in hand to its labels in hand.
            truth: confusion matrix against ground truth, int64 (classes, classes), or None where there is none.
            steadiness: the same between the frame before and this one, or None for a clip's first.
            flicker: pixels that changed class without changing looks and pixels of unchanged looks, or None likewise.
        """
        self.clip_frames[-1] += 1
        self.latencies_ms.append(latency_ms)
        self.truth.append(self._row(truth))
        self.steadiness.append(self._row(steadiness))
        self.flicker.append(flicker or (0, 0))

    def add_timing(self, latency_ms: float, yardstick_ms: float | None = None) -> None:
        """Add the next frame of a round, of which only the time was taken, and the yardstick's on the same turn."""
        self.add(latency_ms, None, None, None)
        if yardstick_ms is not None:
            self.yardsticks_ms.append(yardstick_ms)

    def samples(self) -> Samples:
        """Everything that was added, for a results file."""
        frames, classes = len(self.latencies_ms), len(self.classes)
        return Samples(
            classes=self.classes,
            clips=tuple(self.clips),
            clip_frames=tuple(self.clip_frames),
            latency_ms=pack(np.array(self.latencies_ms), "float32"),
            truth=pack(np.reshape(self.truth, (frames, 2, classes)), "int32"),
            steadiness=pack(np.reshape(self.steadiness, (frames, 2, classes)), "int32"),
            flicker=pack(np.reshape(self.flicker, (frames, 2)), "int32"),
            yardstick_ms=pack(np.array(self.yardsticks_ms), "float32") if self.yardsticks_ms else UNSET,
        )

    def _row(self, matrix: Counts | None) -> npt.NDArray[np.int32]:
        # Four bytes a count: a long evaluation keeps some hundred bytes a frame.
        found = np.zeros((2, len(self.classes)), np.int64) if matrix is None else class_counts(matrix)
        return found.astype(np.int32)


@dataclass(frozen=True, eq=False)
class FrameSamples:
    """Unpacked samples; see `Samples`. Counts are float64, which holds them exactly."""

    classes: tuple[str, ...]
    clips: tuple[str, ...]
    clip_frames: tuple[int, ...]
    latency_ms: Float
    truth: Float
    steadiness: Float
    flicker: Float
    yardstick_ms: Float | None = None

    @classmethod
    def of(cls, samples: Samples) -> FrameSamples:
        """Unpack what a results file holds.

        Raises:
            ResultsError: an array is damaged, or they do not fit each other.
        """
        frames, classes = sum(samples.clip_frames), len(samples.classes)
        shapes = {
            "latency_ms": (frames,),
            "truth": (frames, 2, classes),
            "steadiness": (frames, 2, classes),
            "flicker": (frames, 2),
        }
        arrays = {name: _unpacked(getattr(samples, name), name, shape) for name, shape in shapes.items()}
        yardstick_ms = None
        if not isinstance(samples.yardstick_ms, UnsetType):
            yardstick_ms = _unpacked(samples.yardstick_ms, "yardstick_ms", (frames,))
        if len(samples.clips) != len(samples.clip_frames):
            raise ResultsError(f"Found {len(samples.clip_frames)} lengths of {len(samples.clips)} clips in results.")
        return cls(samples.classes, samples.clips, samples.clip_frames, **arrays, yardstick_ms=yardstick_ms)

    def rounds(self, values: Float) -> list[Float]:
        """Split values, one for each frame, into rounds for `rounds_interval`."""
        return split_rounds(values, self.clip_frames)

    def by_clip(self, rows: Float) -> list[Float]:
        """Split rows, one for each frame, into clips, (frames of the clip, F); what was not measured is left out."""
        flat = rows.reshape(len(rows), -1)
        pieces: Sequence[Float] = np.split(flat, np.cumsum(self.clip_frames)[:-1])
        return [piece[piece.any(1)] for piece in pieces]


def _unpacked(packed: Packed, name: str, shape: tuple[int, ...]) -> Float:
    found = unpack(packed)
    if found.shape != shape:
        raise ResultsError(f"Found {name} of shape {found.shape} in the samples of results, expected {shape}.")
    return found.astype(np.float64)
