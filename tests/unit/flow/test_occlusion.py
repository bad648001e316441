"""Visibility from flow both ways, on motion that is known."""

from __future__ import annotations

import numpy as np

from etc_edge.flow.base import FlowField, open_flow
from etc_edge.flow.occlusion import flow_and_visibility, visible_by_both_ways
from etc_edge.frames.street.renderer import Street


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


def test_ground_that_a_square_uncovers_is_visible_and_what_it_covers_is_not() -> None:
    forward, backward = np.zeros((20, 30, 2), np.float32), np.zeros((20, 30, 2), np.float32)
    forward[5:15, 5:15, 0] = 6
    backward[5:15, 11:21, 0] = -6
    uncovered = visible_by_both_ways(forward, backward)
    np.testing.assert_array_equal(uncovered[5:15, 15:21], False)
    # The other way round, the columns that the square leaves behind are the ones that the first frame does not show.
    covered = visible_by_both_ways(backward, forward)
    np.testing.assert_array_equal(covered[5:15, 5:11], False)
    assert covered[5:15, 11:21].all()


class KnownFlow:
    """Two frames, and flow from the darker to the brighter and back."""

    name = "known"

    def __init__(self, forward: FlowField, backward: FlowField) -> None:
        self.forward, self.backward = forward, backward

    def __call__(self, image_rgb: np.ndarray, next_rgb: np.ndarray, /) -> FlowField:
        return self.forward if image_rgb.mean() < next_rgb.mean() else self.backward


def test_flow_comes_with_visibility_of_the_first_frames_pixels() -> None:
    forward, backward = np.zeros((8, 10, 2), np.float32), np.zeros((8, 10, 2), np.float32)
    forward[..., 0], backward[..., 0] = 3, -3
    dark, bright = np.zeros((8, 10, 3), np.uint8), np.full((8, 10, 3), 9, np.uint8)
    flow, visible = flow_and_visibility(KnownFlow(forward, backward), dark, bright)
    np.testing.assert_array_equal(flow, forward)
    np.testing.assert_array_equal(visible[0], [True] * 7 + [False] * 3)
    flow, visible = flow_and_visibility(KnownFlow(forward, backward), bright, dark)
    np.testing.assert_array_equal(flow, backward)
    np.testing.assert_array_equal(visible[0], [False] * 3 + [True] * 7)


def test_finds_what_the_street_hides() -> None:
    estimate = open_flow("dis-medium")
    kept = wrongly_kept = lost = found = 0
    for seed in range(2):
        street = Street(seed, (288, 512))
        _, seen = street.truth(3)
        _, visible = flow_and_visibility(estimate, street.frame(3).image_rgb, street.frame(4).image_rgb)
        kept += np.count_nonzero(visible & seen)
        wrongly_kept += np.count_nonzero(visible & ~seen)
        lost += np.count_nonzero(~visible & seen)
        found += np.count_nonzero(~visible & ~seen)
    assert kept / (kept + wrongly_kept) > 0.95, "precision of what is called visible"
    assert kept / (kept + lost) > 0.87, "recall of what is visible"
    assert found / (found + wrongly_kept) > 0.7, "recall of what is hidden"
