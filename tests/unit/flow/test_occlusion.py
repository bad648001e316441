"""Visibility from flow both ways, on motion that is known."""

from __future__ import annotations

import numpy as np

from etc_edge.flow.occlusion import visible_by_both_ways


def test_a_square_that_moves_covers_what_lies_before_it() -> None:
    forward, backward = np.zeros((20, 30, 2), np.float32), np.zeros((20, 30, 2), np.float32)
    forward[5:15, 5:15, 0] = 6
    backward[5:15, 11:21, 0] = -6
    visible = visible_by_both_ways(forward, backward)
    assert visible[5:15, 5:15].all()
    assert not visible[6:14, 16:20].any()
    assert visible[:4].all()


def test_what_leaves_the_frame_is_not_visible() -> None:
    forward = np.zeros((8, 8, 2), np.float32)
    forward[..., 0] = 3
    visible = visible_by_both_ways(forward, -forward)
    np.testing.assert_array_equal(visible[0], [True] * 5 + [False] * 3)
