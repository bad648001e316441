"""Facets: flat textured pieces of the street, and how a pin-hole camera sees them.

World axes: X right, Y up, Z along the street, metres. Image axes: x right, y down, pixel centres on integers.
Every piece is flat, so a facet seen at two moments is related by one homography: that is what makes the
street's optical flow exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from etc_edge.frames.street.texture import Texture

Matrix = NDArray[np.float64]

UNIT_SQUARE: Matrix = np.array([[0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1]], np.float64).T


@dataclass(frozen=True, slots=True, eq=False)
class Facet:
    """A texture on a plane; ``shape`` (4, 3) takes the texture's unit square to homogeneous body coordinates."""

    texture: Texture
    shape: Matrix
    label: int
    light: float = 1.0
    two_sided: bool = False


@dataclass(frozen=True, slots=True)
class Camera:
    """A pin-hole camera at one moment: ``view`` (3, 4) takes homogeneous world points to pixels."""

    view: Matrix
    position: Matrix
    time_s: float


def facet(
    texture: Texture,
    corners: Any,
    label: int,
    light: float = 1.0,
    two_sided: bool = False,
) -> Facet:
    """Put a texture on four corners, given top-left, top-right, bottom-right, bottom-left as seen from outside."""
    top_left, top_right, bottom_right, bottom_left = np.asarray(corners, np.float64)
    across, down = top_right - top_left, bottom_left - top_left
    basis = np.stack([across, down], 1)
    a, b = np.linalg.lstsq(basis, bottom_right - top_left, rcond=None)[0]
    plane = np.zeros((4, 3))
    plane[:3] = np.stack([across, down, top_left], 1)
    plane[3, 2] = 1.0
    if abs(a - 1) > 1e-9 or abs(b - 1) > 1e-9:
        source = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
        target = np.array([[0, 0], [1, 0], [a, b], [0, 1]], np.float32)
        plane = plane @ cv2.getPerspectiveTransform(source, target)
    return Facet(texture, plane, label, light, two_sided)


def billboard(
    texture: Texture, width: float, bottom: float, top: float, label: int, x: float = 0.0, z: float = 0.0
) -> Facet:
    """An upright facet across the street, as wide as told and centred on x, facing the camera."""
    left, right = x - width / 2, x + width / 2
    corners = [(left, top, z), (right, top, z), (right, bottom, z), (left, bottom, z)]
    return facet(texture, corners, label, two_sided=True)


def translation(x: float, y: float, z: float) -> Matrix:
    """A (4, 4) pose that only moves."""
    pose = np.eye(4)
    pose[:3, 3] = x, y, z
    return pose


def rotation(yaw: float, pitch: float, roll: float) -> Matrix:
    """World axes to camera axes (x right, y down, z forward); angles in radians."""
    cy, sy, cp, sp, cr, sr = (f(a) for a in (yaw, pitch, roll) for f in (np.cos, np.sin))
    turn = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]])
    nod = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    lean = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    rotated: Matrix = lean @ nod @ turn @ np.diag([1.0, -1.0, 1.0])
    return rotated


def clip_near(corners: Matrix, near: float = 0.2) -> Matrix:
    """Cut a polygon of homogeneous image points (3, n) where it comes nearer than ``near`` metres."""
    kept: list[Matrix] = []
    count = corners.shape[1]
    for i in range(count):
        a, b = corners[:, i], corners[:, (i + 1) % count]
        if a[2] >= near:
            kept.append(a)
        if (a[2] >= near) != (b[2] >= near):
            kept.append(a + (b - a) * ((near - a[2]) / (b[2] - a[2])))
    return np.stack(kept, 1) if kept else np.zeros((3, 0))
