"""How pictures of an evaluation mark pixels: colours over the frame, pale and without its own."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

UInt8 = npt.NDArray[np.uint8]

LOST, WON, OTHER = (214, 69, 65), (46, 139, 87), (230, 159, 0)


def enlarged(pixels: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Pixels and their neighbours: a single one could not be seen in a small picture."""
    import cv2

    return np.asarray(cv2.dilate(pixels.astype(np.uint8), np.ones((3, 3), np.uint8)), bool)


def pale(image_rgb: UInt8) -> UInt8:
    """The picture, uint8 (H, W, 3), pale and without colour."""
    grey = (image_rgb.mean(-1, keepdims=True) * 0.6 + 90).astype(np.uint8)
    return np.repeat(grey, 3, axis=2)
