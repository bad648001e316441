"""Frames made ready once, that many variants of a network are examined on: accuracy, steadiness, agreement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from etc_edge.core.errors import DatasetError
from etc_edge.core.labels import LabelSet
from etc_edge.data.clip import Clip, ClipFrame
from etc_edge.flow.base import Flow
from etc_edge.metrics.agreement import agreeing_pixels
from etc_edge.metrics.confusion import confusion_matrix
from etc_edge.metrics.intervals import mean_iou
from etc_edge.metrics.motion import Motion, motion_between
from etc_edge.metrics.samples import FrameSamples, SampleRecorder
from etc_edge.metrics.shots import Shot, StoredShots
from etc_edge.metrics.temporal import flicker_counts, tc_matrix

UInt8 = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Examined:
    """What a variant gave: counts of every frame, and the labels themselves."""

    samples: FrameSamples
    labels: Sequence[UInt8]

    def figures(self, reference: Examined | None = None) -> dict[str, float]:
        """Fractions: `miou` where there are labels, `tc` and `flicker` where there are neighbours, and `agreement`
        with the labels of a reference."""
        found: dict[str, float] = {}
        truth, steady, flicker = (getattr(self.samples, name).sum(0) for name in ("truth", "steadiness", "flicker"))
        if truth.any():
            found["miou"] = float(mean_iou(truth.reshape(1, -1))[0])
        if steady.any():
            found["tc"] = float(mean_iou(steady.reshape(1, -1))[0])
            found["flicker"] = float(flicker[0] / max(1.0, flicker[1]))
        if reference is not None:
            same = sum(agreeing_pixels(*pair) for pair in zip(self.labels, reference.labels, strict=True))
            found["agreement"] = same / max(1, sum(one.size for one in self.labels))
        return found


@dataclass(frozen=True)
class Examination:
    """Shots of clips, one clip behind the other, and the classes."""

    shots: Sequence[Shot]
    label_set: LabelSet

    def examine(self, predict: Callable[[int], UInt8]) -> Examined:
        """Figures of a variant.

        Args:
            predict: the number of a shot to its labels, uint8 (H, W) at the frame's size.
        """
        recorder, classes, void = SampleRecorder(self.label_set.names), len(self.label_set), self.label_set.void
        found: list[UInt8] = []
        for number, shot in enumerate(self.shots):
            labels = predict(number)
            if shot.motion is None:
                recorder.begin_clip(shot.clip)
                steady = flicker = None
            else:
                back = shot.motion.bring_back(labels)
                steady = tc_matrix(found[-1], back, shot.motion, classes, void)
                flicker = flicker_counts(found[-1], back, shot.motion, void)
            truth = None if shot.truth is None else confusion_matrix(labels, shot.truth, classes, void)
            recorder.add(0.0, truth, steady, flicker)
            found.append(labels)
        return Examined(FrameSamples.of(recorder.samples()), found)


def prepare(clips: Sequence[Clip], label_set: LabelSet, flow: Flow, folder: Path | None = None) -> Examination:
    """Read clips and work out the motion between neighbours: the data's own where it is known, else estimated.

    Args:
        clips: what to read.
        label_set: their classes.
        flow: an estimator.
        folder: keep the frames in files of this folder, not in memory.

    Raises:
        DatasetError: there is no frame, or one cannot be read.
    """
    shots: list[Shot] | StoredShots = [] if folder is None else StoredShots(folder)
    for clip in clips:
        before: ClipFrame | None = None
        for index in range(len(clip)):
            frame = clip[index]
            motion: Motion | None = None
            if before is not None:
                known = before.flow_to_next
                moved = flow(before.image_rgb, frame.image_rgb) if known is None else known
                whole = motion_between(before.image_rgb, frame.image_rgb, moved, before.visible_in_next)
                # Whoever examines many variants keeps all frames: what is not looked at again is let go.
                motion = Motion(np.zeros((0, 0, 2), np.float32), whole.target, whole.valid, whole.unchanged)
            shots.append(Shot(clip.name, frame.image_rgb, frame.labels, motion))
            before = frame
    if not shots:
        raise DatasetError("Found no frame to examine a network on, expected at least one.")
    return Examination(shots, label_set)
