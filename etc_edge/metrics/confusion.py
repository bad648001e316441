"""Agreement with ground truth: one confusion matrix over a whole split."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from etc_edge.core.errors import EtcEdgeError
from etc_edge.core.results import Accuracy

Counts = npt.NDArray[np.int64]
Weighted = npt.NDArray[np.float64]
"""Counts of which older ones weigh less."""
Labels = npt.NDArray[np.uint8]


def confusion_matrix(labels: Labels, truth: Labels, classes: int, void: int = 255) -> Counts:
    """How often each class was given to pixels of each class.

    Args:
        labels: predicted classes, uint8 of any shape.
        truth: true classes or void, uint8 of that shape.
        classes: number of classes.
        void: the value in `truth` of pixels that are left out.

    Returns:
        int64 (classes, classes), rows truth, columns prediction.

    Raises:
        EtcEdgeError: the shapes differ, or a value is no class.
    """
    if labels.shape != truth.shape:
        raise EtcEdgeError(f"Found labels of shape {labels.shape} for ground truth of shape {truth.shape}.")
    pairs = truth.astype(np.uint16) << 8 | labels
    counts = np.bincount(pairs.ravel(), minlength=1 << 16).reshape(256, 256)
    counts[void] = 0
    if counts[classes:].any():
        value = int(np.flatnonzero(counts[classes:].any(1))[0]) + classes
        raise EtcEdgeError(f"Found {value} in ground truth, expected 0 to {classes - 1} or {void} for void.")
    if counts[:, classes:].any():
        value = int(np.flatnonzero(counts[:, classes:].any(0))[0]) + classes
        raise EtcEdgeError(f"Found {value} in predicted labels, expected 0 to {classes - 1}.")
    return counts[:classes, :classes].astype(np.int64)


def class_iou(matrix: Counts | Weighted) -> npt.NDArray[np.float64]:
    """Intersection over union of each class, float64 (classes,); nan for classes in neither truth nor prediction."""
    intersection = np.diagonal(matrix)
    union = matrix.sum(0) + matrix.sum(1) - intersection
    iou = np.full(len(matrix), np.nan)
    np.divide(intersection, union, out=iou, where=union > 0)
    return iou


def mean_over_present(matrix: Counts | Weighted) -> float:
    """Mean IoU over the classes that occur in truth or prediction.

    Raises:
        EtcEdgeError: there is none.
    """
    iou = class_iou(matrix)
    if np.isnan(iou).all():
        raise EtcEdgeError("Found no labelled pixel, expected at least one.")
    return float(np.nanmean(iou))


class ConfusionMatrix:
    """Gathers frames of a split.

    Args:
        classes: number of classes.
        void: the value in ground truth of pixels that are left out.

    Attributes:
        matrix: int64 (classes, classes), rows truth, columns prediction.
    """

    def __init__(self, classes: int, void: int = 255) -> None:
        self._void = void
        self.matrix: Counts = np.zeros((classes, classes), np.int64)

    def update(self, labels: Labels, truth: Labels) -> Counts:
        """Add one frame, and give its own matrix; see `confusion_matrix`."""
        added = confusion_matrix(labels, truth, len(self.matrix), self._void)
        self.matrix += added
        return added

    def compute(self, names: Sequence[str]) -> Accuracy:
        """mIoU over present classes, IoU by name and pixel accuracy.

        Raises:
            EtcEdgeError: no labelled pixel was seen.
        """
        miou = mean_over_present(self.matrix)
        iou = class_iou(self.matrix)
        by_name = {name: float(value) for name, value in zip(names, iou, strict=True) if not np.isnan(value)}
        return Accuracy(miou=miou, pixel_accuracy=float(np.trace(self.matrix) / self.matrix.sum()), iou=by_name)
