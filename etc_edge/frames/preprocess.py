"""Frames to the network's size, labels back to the frame's."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def fit_frame(image_rgb: npt.NDArray[np.uint8], size_hw: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Resize a frame to the network's size, without regard to its aspect.

    Each pixel is made of all that it covers, so that fine patterns do not flicker from frame to frame: blocks of four
    are averaged as long as the frame is at least twice the size, the rest is bilinear.

    Args:
        image_rgb: uint8 (H, W, 3).
        size_hw: the size wanted, in pixels.

    Returns:
        uint8 (*size_hw, 3), C-contiguous; the frame itself where it has that size already.
    """
    height, width = image_rgb.shape[:2]
    if (height, width) == tuple(size_hw):
        return np.ascontiguousarray(image_rgb)
    import cv2

    # Averaging areas of fractions of pixels in one step gives much the same and takes four times as long.
    while height >= 2 * size_hw[0] and width >= 2 * size_hw[1] and height % 2 == width % 2 == 0:
        height, width = height // 2, width // 2
        image_rgb = np.asarray(cv2.resize(image_rgb, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    if (height, width) == tuple(size_hw):
        return image_rgb
    coarse = height > 2 * size_hw[0] or width > 2 * size_hw[1]
    interpolation = cv2.INTER_AREA if coarse else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image_rgb, (size_hw[1], size_hw[0]), interpolation=interpolation), np.uint8)


def fit_labels(labels: npt.NDArray[np.uint8], size_hw: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Resize labels by taking the nearest, so that no class appears that was not there.

    Args:
        labels: uint8 (H, W).
        size_hw: the size wanted, in pixels.

    Returns:
        uint8 of `size_hw`; the labels themselves where they have that size already.
    """
    if labels.shape == tuple(size_hw):
        return labels
    import cv2

    # INTER_NEAREST rounds down and so shifts labels by up to half a pixel.
    resized = cv2.resize(labels, (size_hw[1], size_hw[0]), interpolation=cv2.INTER_NEAREST_EXACT)
    return np.asarray(resized, np.uint8)
