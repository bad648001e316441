"""Video consistency VC8 and VC16 (Miao et al., VSPW, CVPR 2021): whether labels stay put where the truth does."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from etc_edge.core.errors import EtcEdgeError
from etc_edge.metrics.confusion import Labels

Runs = npt.NDArray[np.uint16]


class VideoConsistency:
    """Gathers clips, frame by frame.

    For each window of n frames: of the pixels whose true class is the same in all of them, the share whose predicted
    class is the same in all of them, right or wrong; VCn is the mean over all windows of all clips, as VSPW's own
    evaluation pools them. Void pixels are left out. Instead of the window only the length of the present run of each
    pixel is kept.

    Args:
        lengths: the windows' lengths n.
        void: the value in ground truth of pixels that are left out.
    """

    def __init__(self, lengths: tuple[int, ...] = (8, 16), void: int = 255) -> None:
        self._void = void
        self._sums = dict.fromkeys(lengths, 0.0)
        self._windows = dict.fromkeys(lengths, 0)
        self.begin_clip()

    def begin_clip(self) -> None:
        """Say that the next frame does not follow the last one."""
        self._last: tuple[Labels, Labels] | None = None
        self._runs: tuple[Runs, Runs] | None = None

    def update(self, labels: Labels, truth: Labels) -> None:
        """Add the clip's next frame.

        Args:
            labels: predicted classes, uint8 (H, W).
            truth: true classes or void, uint8 (H, W).

        Raises:
            EtcEdgeError: the sizes differ from one another or within the clip.
        """
        if labels.shape != truth.shape or (self._last is not None and self._last[0].shape != labels.shape):
            raise EtcEdgeError(f"Found labels of shape {labels.shape} and truth of shape {truth.shape} in one clip.")
        if self._last is None or self._runs is None:
            runs = np.ones(labels.shape, np.uint16), np.ones(labels.shape, np.uint16)
        else:
            runs = _longer(self._runs[0], labels, self._last[0]), _longer(self._runs[1], truth, self._last[1])
        self._last, self._runs = (labels.copy(), truth.copy()), runs
        known = truth != self._void
        for length in self._sums:
            still = known & (runs[1] >= length)
            pixels = int(np.count_nonzero(still))
            if pixels:
                self._sums[length] += float(np.count_nonzero(still & (runs[0] >= length)) / pixels)
                self._windows[length] += 1

    def compute(self) -> dict[int, float]:
        """VCn by n; lengths that no clip reached are left out."""
        return {length: self._sums[length] / count for length, count in self._windows.items() if count}


def _longer(runs: Runs, now: Labels, before: Labels) -> Runs:
    grown: Runs = np.where(now == before, np.minimum(runs, 65534) + np.uint16(1), np.uint16(1)).astype(np.uint16)
    return grown
