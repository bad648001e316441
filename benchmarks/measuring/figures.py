"""Accuracy and steadiness of several networks in one pass over clips, by the metrics that `etc-edge evaluate` uses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from etc_edge.core.labels import LabelSet
from etc_edge.core.progress import Progress
from etc_edge.core.results import Accuracy
from etc_edge.data.clip import ClipFrame
from etc_edge.data.dataset import Dataset
from etc_edge.flow.base import open_flow
from etc_edge.metrics.agreement import Agreement
from etc_edge.metrics.confusion import ConfusionMatrix
from etc_edge.metrics.motion import Motion, motion_between
from etc_edge.metrics.temporal import TemporalConsistency
from etc_edge.metrics.video_consistency import VideoConsistency
from etc_edge.stages.evaluate import DEFAULT_FLOW, EXACT
from measuring.contender import Contender

UInt8 = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Figures:
    """What one network reached; of `temporal` what could not be measured is absent."""

    accuracy: Accuracy
    temporal: dict[str, Any]


def figures_of(
    contenders: Sequence[Contender], dataset: Dataset, split: str, frames: int | None, progress: Progress
) -> list[Figures]:
    """Measure all contenders on the same frames; agreement is with the first one's labels.

    Args:
        contenders: the first is the reference.
        dataset: labelled clips.
        split: one of its splits.
        frames: stop after so many; None takes all.
        progress: told of every frame.
    """
    clips = dataset.clips(split)
    total = sum(len(clip) for clip in clips)
    left = total if frames is None else min(frames, total)
    tallies = [_Tally(dataset.label_set) for _ in contenders]
    estimate = open_flow(DEFAULT_FLOW)
    known = clips[0][0].flow_to_next is not None
    with progress.task("evaluating", left) as task:
        for clip in clips:
            if left == 0:
                break
            previous: ClipFrame | None = None
            for tally in tallies:
                tally.begin_clip()
            for index in range(min(len(clip), left)):
                frame = clip[index]
                motion = None
                if previous is not None:
                    flow = previous.flow_to_next if known else None
                    if flow is None:
                        flow = estimate(previous.image_rgb, frame.image_rgb)
                    motion = motion_between(previous.image_rgb, frame.image_rgb, flow, previous.visible_in_next)
                labels = [contender.labels(frame.image_rgb) for contender in contenders]
                for tally, its_labels in zip(tallies, labels, strict=True):
                    tally.add(frame, its_labels, labels[0], motion)
                previous = frame
                left -= 1
                task.advance()
    return [tally.figures(EXACT if known else DEFAULT_FLOW) for tally in tallies]


@dataclass
class _Tally:
    """One network's running figures."""

    labels: LabelSet
    agreement: Agreement = field(default_factory=Agreement)
    previous: UInt8 | None = None

    def __post_init__(self) -> None:
        self.confusion = ConfusionMatrix(len(self.labels), self.labels.void)
        self.temporal = TemporalConsistency(len(self.labels), self.labels.void)
        self.consistency = VideoConsistency(void=self.labels.void)

    def begin_clip(self) -> None:
        self.previous = None
        self.consistency.begin_clip()

    def add(self, frame: ClipFrame, labels: UInt8, reference: UInt8, motion: Motion | None) -> None:
        if frame.labels is not None:
            self.confusion.update(labels, frame.labels)
            self.consistency.update(labels, frame.labels)
        else:
            self.consistency.begin_clip()
        if motion is not None and self.previous is not None:
            self.temporal.update(self.previous, labels, motion)
        self.agreement.update(labels, reference)
        self.previous = labels

    def figures(self, flow: str) -> Figures:
        temporal: dict[str, Any] = {"agreement": self.agreement.compute()}
        if self.temporal.pairs:
            steadiness, windows = self.temporal.compute(), self.consistency.compute()
            temporal |= {"flow": flow, "tc": steadiness.tc, "tc_etc": steadiness.tc_etc, "flicker": steadiness.flicker}
            temporal |= {f"vc{length}": value for length, value in windows.items()}
        return Figures(self.confusion.compute(self.labels.names), temporal)
