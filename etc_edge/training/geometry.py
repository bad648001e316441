"""How flow and places move with the affine transform of a sample."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

FlowField = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Matrix = npt.NDArray[np.float64]
"""(2, 3): takes (x, y, 1) of one picture to (x, y) of another, pixel centres at whole numbers."""


def compose(second: Matrix, first: Matrix) -> Matrix:
    """The matrix of `first` and then `second`."""
    return np.asarray((_square(second) @ _square(first))[:2])


def inverse(matrix: Matrix) -> Matrix:
    """The matrix back."""
    return np.asarray(np.linalg.inv(_square(matrix))[:2])


def motion_about(
    centre_xy: tuple[float, float], shift_xy: tuple[float, float], zoom: float, rotation_deg: float
) -> Matrix:
    """Enlarge by `zoom` and turn about a centre, then shift; all in pixels."""
    cosine, sine = zoom * math.cos(math.radians(rotation_deg)), zoom * math.sin(math.radians(rotation_deg))
    linear = np.array([[cosine, sine], [-sine, cosine]])
    centre = np.array(centre_xy)
    return np.column_stack([linear, centre + np.array(shift_xy) - linear @ centre])


def affine_flow(motion: Matrix, size_hw: tuple[int, int]) -> FlowField:
    """Flow p ↦ motion(p) − p over a picture, float32 (H, W, 2)."""
    points = _grid(size_hw)
    moved: FlowField = (points @ motion[:, :2].T + motion[:, 2] - points).astype(np.float32)
    return moved


def moved_flow(flow: FlowField, valid: Mask, matrix: Matrix, crop_hw: tuple[int, int]) -> tuple[FlowField, Mask]:
    """The flow between two frames after both went through the same transform.

    A displacement is turned and scaled by the linear part; what lies outside the frame is not valid.

    Args:
        flow: float32 (H, W, 2) of the frame.
        valid: bool (H, W), where it holds.
        matrix: frame to crop.
        crop_hw: size of the crop.
    """
    import cv2

    height, width = crop_hw
    sampled = cv2.warpAffine(flow, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    kept = cv2.warpAffine(
        valid.astype(np.uint8), matrix, (width, height), flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT
    )
    linear = np.asarray(matrix[:, :2], np.float32)
    return np.asarray(sampled @ linear.T, np.float32), kept.astype(bool)


def inside_frame(matrix: Matrix, frame_hw: tuple[int, int], crop_hw: tuple[int, int]) -> Mask:
    """Pixels of a crop, bool (H, W), that show the frame and not what is around it."""
    back = inverse(matrix)
    x, y = np.moveaxis(_grid(crop_hw) @ back[:, :2].T + back[:, 2], -1, 0)
    shows: Mask = (x >= 0) & (x <= frame_hw[1] - 1) & (y >= 0) & (y <= frame_hw[0] - 1)
    return shows


def resized_flow(flow: FlowField, size_hw: tuple[int, int]) -> FlowField:
    """Flow of frames that are brought to another size, with displacements in its pixels."""
    import cv2

    height, width = flow.shape[:2]
    if (height, width) == size_hw:
        return flow
    scale = np.array([size_hw[1] / width, size_hw[0] / height], np.float32)
    return np.asarray(cv2.resize(flow, size_hw[::-1], interpolation=cv2.INTER_LINEAR) * scale, np.float32)


def _grid(size_hw: tuple[int, int]) -> npt.NDArray[np.float64]:
    """(H, W, 2): x and y of every pixel."""
    height, width = size_hw
    return np.stack(np.meshgrid(np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64)), -1)


def _square(matrix: Matrix) -> npt.NDArray[np.float64]:
    return np.vstack([matrix, [0.0, 0.0, 1.0]])
