"""Labelled frames of clips, and frames as the network takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from etc_edge.core.errors import DatasetError
from etc_edge.data.clip import Clip
from etc_edge.frames.preprocess import fit_labels

UInt8 = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Labelled:
    """A labelled frame, or one that stands in the place of one: its clip and its index there."""

    clip: Clip
    index: int


def labelled_frames(clips: Sequence[Clip], where: str) -> list[Labelled]:
    """Every labelled frame of the clips, in order.

    Raises:
        DatasetError: there is none.
    """
    found = [Labelled(clip, index) for clip in clips for index in clip.labelled]
    if not found:
        raise DatasetError(f"Found no labelled frame in {where}.")
    return found


def every_frame(clips: Sequence[Clip], where: str) -> list[Labelled]:
    """Every frame of the clips, in order, for losses that need no labels.

    Raises:
        DatasetError: there is none.
    """
    found = [Labelled(clip, index) for clip in clips for index in range(len(clip))]
    if not found:
        raise DatasetError(f"Found no frame in {where}.")
    return found


def hold_out(frames: Sequence[Labelled], share: float, blocks: int) -> tuple[list[Labelled], list[Labelled]]:
    """Split into frames to train on and frames to watch, the latter as runs of neighbours spread over the list.

    Neighbouring frames resemble each other, so single frames picked at random would flatter the figure.
    """
    count = len(frames)
    watched = min(count - 1, round(share * count))
    if watched <= 0:
        return list(frames), []
    blocks = min(blocks, watched)
    chosen: set[int] = set()
    for block in range(blocks):
        length = watched * (block + 1) // blocks - watched * block // blocks
        middle = (2 * block + 1) * count // (2 * blocks)
        start = min(max(0, middle - length // 2), count - length)
        chosen.update(range(start, start + length))
    return (
        [frame for index, frame in enumerate(frames) if index not in chosen],
        [frame for index, frame in enumerate(frames) if index in chosen],
    )


def read_labelled(frame: Labelled, size_hw: tuple[int, int], void: int) -> tuple[UInt8, UInt8]:
    """Image and labels of a frame, brought to `size_hw`; without labels every pixel is `void`.

    Raises:
        DatasetError: the frame cannot be read.
    """
    read = frame.clip[frame.index]
    labels = np.full(size_hw, void, np.uint8) if read.labels is None else fit_labels(read.labels, size_hw)
    return fitted(read.image_rgb, size_hw), labels


def fitted(image: UInt8, size_hw: tuple[int, int]) -> UInt8:
    """An image brought to a size: by area where it shrinks, else bilinearly."""
    import cv2

    if image.shape[:2] == size_hw:
        return image
    height, width = size_hw
    shrinks = height <= image.shape[0] and width <= image.shape[1]
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (width, height), interpolation=interpolation), np.uint8)
