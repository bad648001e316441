"""mIoU, tc and flicker of label files by others' code alone: OpenCV reads, follows and warps, two libraries count.

Nothing of etc-edge is imported here. What the figures mean is written down in docs/steadiness.md and is followed again
from there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

UInt8 = npt.NDArray[np.uint8]
Counts = npt.NDArray[np.int64]

SKLEARN, TORCHMETRICS, OPENCV = "scikit-learn", "torchmetrics", "OpenCV"
UNCHANGED_LEVELS = 8.0


@dataclass(frozen=True)
class ClipFiles:
    """A clip as files, in order: its pictures, their ground truth and a network's labels for them."""

    images: Sequence[Path]
    truth: Sequence[Path]
    labels: Sequence[Path]


@dataclass
class _Jaccard:
    """Mean IoU over the classes that occur, by scikit-learn's confusion matrix and by torchmetrics."""

    classes: int
    void: int
    matrix: Counts = field(init=False)
    metric: Any = field(init=False)

    def __post_init__(self) -> None:
        from torchmetrics.classification import MulticlassJaccardIndex

        self.matrix = np.zeros((self.classes, self.classes), np.int64)
        # Its macro average leaves out classes that never occur.
        self.metric = MulticlassJaccardIndex(self.classes, average="macro", ignore_index=self.void)

    def add(self, labels: UInt8, truth: UInt8) -> None:
        """Labels and truth of one shape; void in truth is left out."""
        import torch
        from sklearn.metrics import confusion_matrix

        kept = truth != self.void
        self.matrix += confusion_matrix(truth[kept], labels[kept], labels=range(self.classes))
        self.metric.update(torch.from_numpy(labels.astype(np.int64)), torch.from_numpy(truth.astype(np.int64)))

    def figures(self) -> dict[str, float]:
        both = np.diag(self.matrix)
        either = self.matrix.sum(0) + self.matrix.sum(1) - both
        return {
            SKLEARN: float(np.mean(both[either > 0] / either[either > 0])),
            TORCHMETRICS: float(self.metric.compute()),
        }


def independent_figures(clips: Sequence[ClipFiles], classes: int, void: int) -> dict[str, dict[str, float]]:
    """Figures by the path that a results file has for them, then by the tools that gave them.

    Args:
        clips: files of one split.
        classes: how many there are.
        void: the value of pixels in ground truth that are left out.
    """
    accuracy, steadiness = _Jaccard(classes, void), _Jaccard(classes, void)
    changed = same_look = 0
    for clip in clips:
        for labels, truth in zip(clip.labels, clip.truth, strict=True):
            accuracy.add(_read(labels), _read(truth))
        for labels, back, unchanged in _pairs(clip, void):
            steadiness.add(back, np.where(back == void, np.uint8(void), labels))
            kept = unchanged & (labels != void) & (back != void)
            changed += int(np.count_nonzero(kept & (labels != back)))
            same_look += int(np.count_nonzero(kept))
    return {
        "accuracy.miou": accuracy.figures(),
        "temporal.tc": {f"{OPENCV} and {name}": value for name, value in steadiness.figures().items()},
        "temporal.flicker": {OPENCV: changed / max(1, same_look)},
    }


def tool_versions() -> dict[str, str]:
    """Of the libraries that count."""
    return {name: version(name) for name in (SKLEARN, TORCHMETRICS)}


def _pairs(clip: ClipFiles, void: int) -> Iterator[tuple[UInt8, UInt8, npt.NDArray[np.bool_]]]:
    """For neighbours: labels, the next ones brought back, void where flow leaves the frame, and what looks the same."""
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    for number in range(len(clip.images) - 1):
        now, following = (cv2.imread(str(image), cv2.IMREAD_COLOR) for image in clip.images[number : number + 2])
        greys = [cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) for image in (now, following)]
        flow = dis.calc(*greys, None)
        x, y = np.meshgrid(*(np.arange(extent, dtype=np.float32) for extent in flow.shape[1::-1]))
        x, y = x + flow[..., 0], y + flow[..., 1]
        labels, next_labels = (_read(file) for file in clip.labels[number : number + 2])
        outside = {"borderMode": cv2.BORDER_CONSTANT, "borderValue": void}
        back = cv2.remap(next_labels, x, y, cv2.INTER_NEAREST, **outside)
        came = cv2.remap(following.astype(np.float32), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        apart = cv2.absdiff(came, now.astype(np.float32)).mean(2)
        yield labels, back, apart <= UNCHANGED_LEVELS


def _read(file: Path) -> UInt8:
    return np.asarray(cv2.imread(str(file), cv2.IMREAD_UNCHANGED), np.uint8)
