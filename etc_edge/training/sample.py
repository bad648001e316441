"""One sample: a labelled frame and the other frames that it is compared with, after the transform."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from etc_edge.training.geometry import Matrix

UInt8 = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class OtherFrame:
    """Another frame of a sample, and the way there.

    Args:
        image: uint8 (H, W, 3).
        flow: float32 (H, W, 2), from the labelled frame to this one, in pixels of the crop.
        valid: bool (H, W), pixels of the labelled frame whose surface this frame shows.
        index: which frame of the clip it is made from.
        matrix: takes that frame to the crop.
    """

    image: UInt8
    flow: npt.NDArray[np.float32]
    valid: npt.NDArray[np.bool_]
    index: int
    matrix: Matrix


@dataclass(frozen=True)
class TeacherMaps:
    """What a teacher made of the whole frame that a picture was cut from.

    Args:
        logits: float16 (classes, h, w).
        features: float16 (D, h', w'), or None.
        place: float64 (2, 3), takes the crop's pixels to places in the frame from −1, its first pixel's centre, to 1.
    """

    logits: npt.NDArray[np.float16]
    features: npt.NDArray[np.float16] | None
    place: Matrix


@dataclass(frozen=True)
class Sample:
    """What the loader's workers make.

    Args:
        image: uint8 (H, W, 3), the labelled frame.
        labels: uint8 (H, W).
        others: the other frames; of two, the first comes before the labelled one in time and the second after it.
        other_labels: for each other frame uint8 (H, W) where they are copies of the labelled one, or empty.
        teacher: for each frame what a cached teacher made of it, or empty.
    """

    image: UInt8
    labels: UInt8
    others: tuple[OtherFrame, ...] = ()
    other_labels: tuple[UInt8, ...] = ()
    teacher: tuple[TeacherMaps, ...] = ()
