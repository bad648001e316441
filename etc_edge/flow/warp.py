"""Bringing the next frame back to this one along optical flow."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from etc_edge.flow.base import FlowField

Scalar = TypeVar("Scalar", bound=np.generic)


def warp_nearest(following: npt.NDArray[Scalar], flow: FlowField) -> tuple[npt.NDArray[Scalar], npt.NDArray[np.bool_]]:
    """Sample the next frame's values where each pixel of this frame goes, taking the nearest.

    Args:
        following: (H, W, …), such as the next frame's labels.
        flow: float32 (H, W, 2), this frame to the next, (x, y) in pixels.

    Returns:
        The values, (H, W, …), and where they are valid, bool (H, W): flow that leaves the frame takes the nearest
        value on its border and is not valid.
    """
    place, valid = nearest_targets(flow)
    return np.take(following.reshape(place.size, *following.shape[2:]), place, 0), valid


def nearest_targets(flow: FlowField) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
    """The pixel nearest to where each pixel goes, as an index into the flattened frame, and where it is valid.

    Both (H, W); see `warp_nearest`.
    """
    height, width = flow.shape[:2]
    x, y = targets(flow)
    # Halves go up, whatever the parity: numpy's own rounding would send them to even pixels.
    column, row = np.floor(x + 0.5), np.floor(y + 0.5)
    valid = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    np.clip(column, 0, width - 1, out=column)
    np.clip(row, 0, height - 1, out=row)
    return row.astype(np.intp) * width + column.astype(np.intp), valid


def warp_bilinear(
    following: npt.NDArray[np.uint8] | npt.NDArray[np.float32], flow: FlowField
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Sample the next frame's values where each pixel of this frame goes, between pixels bilinearly.

    Args:
        following: (H, W) or (H, W, C), such as the next frame's picture.
        flow: float32 (H, W, 2), this frame to the next, (x, y) in pixels.

    Returns:
        float32 values of that shape, and where they are valid, bool (H, W): all four neighbours lie in the frame;
        elsewhere the border is continued.
    """
    import cv2

    height, width = flow.shape[:2]
    x, y = targets(flow)
    valid = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    values = following.astype(np.float32)
    warped = cv2.remap(values, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(warped, np.float32), valid


def targets(flow: FlowField) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Where each pixel goes: x and y, float32 (H, W) each."""
    height, width = flow.shape[:2]
    across = np.arange(width, dtype=np.float32)
    down = np.arange(height, dtype=np.float32)[:, None]
    return np.add(flow[..., 0], across, dtype=np.float32), np.add(flow[..., 1], down, dtype=np.float32)
