"""Temporal consistency: whether a pixel keeps its class along optical flow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from etc_edge.core.errors import EtcEdgeError
from etc_edge.metrics.confusion import Counts, Labels, confusion_matrix, mean_over_present
from etc_edge.metrics.motion import Motion


@dataclass(frozen=True, slots=True)
class Steadiness:
    """Figures of all pairs, as fractions."""

    tc: float
    tc_etc: float
    flicker: float


@dataclass(frozen=True, slots=True, eq=False)
class PairCounts:
    """What one pair of neighbours adds.

    Args:
        matrix: see `tc_matrix`.
        changed: pixels that look the same one frame later but changed class.
        same_look: pixels that look the same.
    """

    matrix: Counts
    changed: int
    same_look: int


def tc_matrix(labels: Labels, back: Labels, motion: Motion, classes: int, void: int = 255) -> Counts:
    """How often each class becomes each class along the flow, int64 (classes, classes).

    ``back`` are the next frame's labels, brought back by nearest sampling. Pixels whose flow leaves the frame, that
    are known to be occluded, or that are void in either frame are left out.
    """
    kept = motion.valid & (labels != void) & (back != void)
    return confusion_matrix(back[kept], labels[kept], classes, void)


def tc_etc_counts(labels: Labels, next_labels: Labels, flow: npt.NDArray[np.float32], classes: int) -> Counts:
    """Intersections and unions of each class, int64 (2, classes), as the authors of ETC count them.

    Their released evaluation warps label *numbers* bilinearly with FlowNet2's resampling layer (float32, border
    clamped), truncates to uint8, and leaves out nothing but the value 255. It is kept for comparison with their
    tables, faults included: edges gain classes that lie between two others, and flat areas lose a little to
    rounding.
    """
    warped = _resample2d(next_labels, flow).astype(np.uint8)
    mine = np.where(warped == 255, np.uint8(255), labels)
    intersection = np.bincount(mine[mine == warped], minlength=256)[:classes]
    areas = np.bincount(mine.ravel(), minlength=256)[:classes] + np.bincount(warped.ravel(), minlength=256)[:classes]
    return np.stack([intersection, areas - intersection]).astype(np.int64)


def flicker_counts(labels: Labels, back: Labels, motion: Motion, void: int = 255) -> tuple[int, int]:
    """Pixels that look the same one frame later but changed class, and pixels that look the same."""
    same_look = motion.unchanged & (labels != void) & (back != void)
    return int(np.count_nonzero(same_look & (labels != back))), int(np.count_nonzero(same_look))


class TemporalConsistency:
    """Gathers pairs of neighbouring frames over all clips.

    Args:
        classes: number of classes.
        void: label value of pixels that are left out.
    """

    def __init__(self, classes: int, void: int = 255) -> None:
        self._void = void
        self._matrix: Counts = np.zeros((classes, classes), np.int64)
        self._etc: Counts = np.zeros((2, classes), np.int64)
        self._changed, self._same_look = 0, 0
        self.pairs = 0

    def update(self, labels: Labels, next_labels: Labels, motion: Motion) -> PairCounts:
        """Add a pair, and give its own counts.

        Args:
            labels: uint8 (H, W), of frame t.
            next_labels: uint8 (H, W), of frame t + 1.
            motion: between the two.

        Raises:
            EtcEdgeError: the sizes differ, or a label is no class.
        """
        if labels.shape != motion.valid.shape:
            raise EtcEdgeError(f"Found labels of shape {labels.shape} for flow of shape {motion.valid.shape}.")
        classes, back = len(self._matrix), motion.bring_back(next_labels)
        added = tc_matrix(labels, back, motion, classes, self._void)
        self._matrix += added
        self._etc += tc_etc_counts(labels, next_labels, motion.flow, classes)
        changed, same_look = flicker_counts(labels, back, motion, self._void)
        self._changed += changed
        self._same_look += same_look
        self.pairs += 1
        return PairCounts(added, changed, same_look)

    def compute(self) -> Steadiness:
        """tc: mean IoU over classes present; tc_etc: over all classes, an absent one counting 0; flicker: the share
        of pixels that look the same but changed class, of those that look the same.

        Raises:
            EtcEdgeError: no pair was seen.
        """
        if not self.pairs:
            raise EtcEdgeError("Found no neighbouring frames, expected a clip of two or more.")
        intersections, unions = self._etc
        return Steadiness(
            tc=mean_over_present(self._matrix),
            tc_etc=float(np.mean(intersections / (unions + 1e-10))),
            flicker=self._changed / max(1, self._same_look),
        )


def _resample2d(following: Labels, flow: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    # As the layer does it, to the last bit: weights in double, each term rounded to float32, summed in this order.
    height, width = flow.shape[:2]
    x = flow[..., 0] + np.arange(width, dtype=np.float32)
    y = flow[..., 1] + np.arange(height, dtype=np.float32)[:, None]
    left, top = np.floor(x), np.floor(y)
    alpha, beta = x - left, y - top
    x0, x1 = (np.clip(c, 0, width - 1).astype(np.intp) for c in (left, left + 1))
    y0, y1 = (np.clip(r, 0, height - 1).astype(np.intp) * width for r in (top, top + 1))
    values = following.ravel().astype(np.float32)
    far_x, far_y = 1.0 - alpha.astype(np.float64), 1.0 - beta.astype(np.float64)
    total: npt.NDArray[np.float32] = (far_x * far_y * values[y0 + x0]).astype(np.float32)
    total += (alpha * far_y * values[y0 + x1]).astype(np.float32)
    total += (far_x * beta * values[y1 + x0]).astype(np.float32)
    total += alpha * beta * values[y1 + x1]
    return total
