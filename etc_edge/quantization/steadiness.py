"""How far INT8 logits depart from FP32's: by how much, and how that changes from a frame to the next.

With e the error of the logits and W the warp that brings the next frame back along the flow, the difference between
warped neighbours of the INT8 logits departs from FP32's by e(t) − W e(t+1), since a bilinear warp is linear. An error
that moves along with the picture is not seen from frame to frame; one that comes and goes is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from etc_edge.core.errors import CalibrationError
from etc_edge.data.clip import Clip
from etc_edge.data.neighbours import pick_neighbours
from etc_edge.flow.base import Flow
from etc_edge.flow.warp import warp_bilinear
from etc_edge.frames.preprocess import fit_frame
from etc_edge.metrics.motion import motion_between

Float = npt.NDArray[np.float32]
UInt8 = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class NeighbourPair:
    """Two neighbouring frames and what happens between them.

    Args:
        frames: uint8 (2, h, w, 3), at the network's size.
        flow: float32 (H, W, 2), first to second, (x, y) in pixels of the data set's frames.
        seen: bool (H, W), pixels that the second frame shows, too.
    """

    frames: UInt8
    flow: Float
    seen: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Departure:
    """Mean squares over pixels and classes.

    Args:
        error: of the logits' error.
        change: of what the error changes by along the motion.
    """

    error: float
    change: float

    def beside(self, start: Departure, steadiness: float) -> float:
        """Error, plus `steadiness` times its change, each as a multiple of what it was at the start."""
        error, change = self.error / max(start.error, 1e-30), self.change / max(start.change, 1e-30)
        return error + steadiness * change


def departure(errors: Sequence[Float], pairs: Sequence[NeighbourPair]) -> Departure:
    """Measure errors of logits.

    Args:
        errors: INT8 minus FP32 of each pair, float32 (2, classes, h, w). What all classes of a pixel share changes no
            label and is taken off.
        pairs: the pairs, in the same order.
    """
    squares = changes = 0.0
    count = seen_count = 0
    for both, pair in zip(errors, pairs, strict=True):
        error = np.moveaxis(both - both.mean(1, keepdims=True), 1, -1)
        flow, seen = _at(pair, (error.shape[1], error.shape[2]))
        back, inside = warp_bilinear(np.ascontiguousarray(error[1]), flow)
        kept = seen & inside
        squares += float(np.square(error, dtype=np.float64).sum())
        changes += float(np.square((error[0] - back)[kept], dtype=np.float64).sum())
        count += error.size
        seen_count += int(np.count_nonzero(kept)) * error.shape[-1]
    return Departure(squares / max(1, count), changes / max(1, seen_count))


def _at(pair: NeighbourPair, size_hw: tuple[int, int]) -> tuple[Float, npt.NDArray[np.bool_]]:
    """Flow and what is seen on a coarser grid, in its pixels; a pixel counts as seen where all of it is."""
    import cv2

    height, width = pair.flow.shape[:2]
    shares = np.array([size_hw[1] / width, size_hw[0] / height], np.float32)
    flow = cv2.resize(pair.flow, size_hw[::-1], interpolation=cv2.INTER_AREA)
    seen = cv2.resize(pair.seen.astype(np.float32), size_hw[::-1], interpolation=cv2.INTER_AREA)
    return np.asarray(flow * shares, np.float32), np.asarray(seen > 0.999)


def read_pairs(clips: Sequence[Clip], count: int, size_hw: tuple[int, int], flow: Flow) -> list[NeighbourPair]:
    """Pairs of neighbours spread over clips; a still stands beside a moved copy, see `data.neighbours`.

    Args:
        clips: of training.
        count: of pairs, at most.
        size_hw: the network's size.
        flow: estimates motion where the data does not tell it; only what looks the same there counts as seen then.

    Raises:
        CalibrationError: there are fewer than two pairs.
        DatasetError: a frame cannot be read.
    """
    stills = all(len(clip) == 1 for clip in clips)
    picked, _ = pick_neighbours(clips, count if stills else 2 * count, count)
    pairs: list[NeighbourPair] = []
    for clip in picked:
        for index in range(min(len(clip) - 1, count - len(pairs))):
            first, second = clip[index], clip[index + 1]
            known = first.flow_to_next
            moved = flow(first.image_rgb, second.image_rgb) if known is None else known
            motion = motion_between(first.image_rgb, second.image_rgb, moved, first.visible_in_next)
            frames = np.stack([fit_frame(frame.image_rgb, size_hw) for frame in (first, second)])
            pairs.append(NeighbourPair(frames, motion.flow, motion.unchanged if known is None else motion.valid))
    if len(pairs) < 2:
        raise CalibrationError(
            f"Found {len(pairs)} pairs of neighbours to refine ranges on, expected at least two.",
            "Take a split with more frames, or leave out the refinement.",
        )
    return pairs
