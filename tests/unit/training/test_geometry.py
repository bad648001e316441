"""Flow under the transforms of a sample, against places that are followed one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etc_edge.training.geometry import (
    Matrix,
    affine_flow,
    compose,
    inside_frame,
    inverse,
    motion_about,
    moved_flow,
    resized_flow,
)

matrices = st.builds(
    lambda turn, zoom, x, y: motion_about((10.0, 7.0), (x, y), zoom, turn),
    st.floats(-30, 30), st.floats(0.5, 2.0), st.floats(-20, 20), st.floats(-20, 20),
)  # fmt: skip


def apply(matrix: Matrix, x: float, y: float) -> tuple[float, float]:
    moved = matrix @ np.array([x, y, 1.0])
    return float(moved[0]), float(moved[1])


@given(matrices, matrices, st.floats(-50, 50), st.floats(-50, 50))
def test_one_after_the_other_and_back(first: Matrix, second: Matrix, x: float, y: float) -> None:
    assert apply(compose(second, first), x, y) == pytest.approx(apply(second, *apply(first, x, y)))
    assert apply(compose(inverse(first), first), x, y) == pytest.approx((x, y), abs=1e-6)


def test_motion_by_hand() -> None:
    doubled = motion_about((10.0, 5.0), (1.0, -2.0), 2.0, 0.0)
    assert apply(doubled, 10.0, 5.0) == pytest.approx((11.0, 3.0)), "the centre only shifts"
    assert apply(doubled, 12.0, 5.0) == pytest.approx((15.0, 3.0)), "two pixels right of it become four"
    quarter = motion_about((0.0, 0.0), (0.0, 0.0), 1.0, 90.0)
    assert apply(quarter, 1.0, 0.0) == pytest.approx((0.0, -1.0))


@given(matrices)
def test_affine_flow_leads_where_the_motion_does(motion: Matrix) -> None:
    flow = affine_flow(motion, (6, 9))
    for y, x in ((0, 0), (5, 8), (3, 4)):
        assert (x + flow[y, x, 0], y + flow[y, x, 1]) == pytest.approx(apply(motion, x, y), abs=1e-3)


def test_the_flow_of_a_moved_pair_leads_to_the_same_surface() -> None:
    """A surface at x goes to x + f(x) in the frame; in the crop it must go from A·x to A·(x + f(x))."""
    rng = np.random.default_rng(0)
    slope = rng.uniform(-0.05, 0.05, (2, 2))
    frame_hw, crop_hw = (60, 80), (40, 50)
    grid = np.stack(np.meshgrid(np.arange(80.0), np.arange(60.0)), -1)
    flow = (grid @ slope.T + (2.0, -1.0)).astype(np.float32)
    mirror = np.array([[-1.0, 0.0, 79.0], [0.0, 1.0, 0.0]])
    matrix = compose(motion_about((40.0, 30.0), (-15.0, -8.0), 1.3, 12.0), mirror)
    moved, valid = moved_flow(flow, np.ones(frame_hw, bool), matrix, crop_hw)
    back = inverse(matrix)
    checked = 0
    for y in range(0, 40, 7):
        for x in range(0, 50, 7):
            source = np.array(apply(back, x, y))
            if not (1 <= source[0] <= 78 and 1 <= source[1] <= 58):
                continue
            target = source + source @ slope.T + (2.0, -1.0)
            assert (x + moved[y, x, 0], y + moved[y, x, 1]) == pytest.approx(apply(matrix, *target), abs=0.05)
            assert valid[y, x]
            checked += 1
    assert checked > 10


def test_what_lies_outside_the_frame_is_not_valid() -> None:
    shift = np.array([[1.0, 0.0, 3.0], [0.0, 1.0, 0.0]])
    _, valid = moved_flow(np.zeros((4, 6, 2), np.float32), np.ones((4, 6), bool), shift, (4, 6))
    assert valid[0].tolist() == [False, False, False, True, True, True]
    assert inside_frame(shift, (4, 6), (4, 6))[0].tolist() == [False, False, False, True, True, True]


def test_flow_of_frames_of_another_size() -> None:
    flow = np.full((10, 20, 2), (4.0, 3.0), np.float32)
    smaller = resized_flow(flow, (5, 10))
    assert smaller.shape == (5, 10, 2)
    assert smaller[2, 3].tolist() == [2.0, 1.5]
    assert resized_flow(flow, (10, 20)) is flow
