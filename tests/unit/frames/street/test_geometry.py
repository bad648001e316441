"""Facets and projection by hand."""

from __future__ import annotations

import numpy as np

from etc_edge.frames.street.geometry import UNIT_SQUARE, billboard, clip_near, facet, rotation
from etc_edge.frames.street.texture import flat

GREY = flat((9, 9, 9))


def test_corners_come_out_where_they_were_put() -> None:
    trapezoid = [(-1, 2, 5), (1, 2, 5), (2, 0, 4), (-2, 0, 4)]
    parallelogram = [(0, 3, 1), (0, 3, 9), (0, 0, 9), (0, 0, 1)]
    for corners in (trapezoid, parallelogram):
        points = facet(GREY, corners, 1).shape @ UNIT_SQUARE
        np.testing.assert_allclose((points[:3] / points[3]).T, corners, atol=1e-6)
        assert (points[3] > 0).all()


def test_a_billboard_stands_upright() -> None:
    points = billboard(GREY, 2.0, 0.5, 3.0, 1, x=1.0, z=4.0).shape @ UNIT_SQUARE
    np.testing.assert_allclose(points[:3].T, [(0, 3, 4), (2, 3, 4), (2, 0.5, 4), (0, 0.5, 4)])


def test_a_camera_sees_right_as_right_and_up_as_up() -> None:
    np.testing.assert_allclose(rotation(0, 0, 0) @ [1, 2, 3], [1, -2, 3])
    turned = rotation(0.1, 0, 0) @ np.array([0, 0, 1.0])
    assert turned[0] < 0  # looking to the right moves what was ahead to the left
    assert np.linalg.det(rotation(0.2, 0.1, -0.3)) < 0  # up becomes down, so the axes are mirrored
    np.testing.assert_allclose(rotation(0.2, 0.1, -0.3) @ rotation(0.2, 0.1, -0.3).T, np.eye(3), atol=1e-12)


def test_clipping_keeps_what_is_before_the_camera() -> None:
    square = np.array([[-1, 1, 1, -1], [1, 1, -1, -1], [2, 2, -2, -2]], float)
    clipped = clip_near(square, 1.0)
    assert (clipped[2] >= 1 - 1e-9).all()
    np.testing.assert_allclose(sorted(clipped[2]), [1, 1, 2, 2])
    away = np.array([[0], [0], [9]])
    assert clip_near(square - away).shape == (3, 0)
    np.testing.assert_array_equal(clip_near(square + away), square + away)
