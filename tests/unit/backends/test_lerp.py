"""The cheap way says of the right tiles that it is sure, by the same interpolation in float64."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st

from etc_edge.backends.lerp import LEAD, largest_of, wins
from etc_edge.backends.scratch import Scratch

Double = npt.NDArray[np.float64]


def interpolated(corners: npt.NDArray[np.float32], down: Double, across: Double) -> Double:
    """float64 (..., rows, columns, tiles) of corners (4, ..., tiles), the formula of bilinear interpolation."""
    above_left, above_right, below_left, below_right = (one[..., None, None, :] for one in corners.astype(np.float64))
    y, x = down[:, None], across[None]
    return (1 - y) * ((1 - x) * above_left + x * above_right) + y * ((1 - x) * below_left + x * below_right)


def drawn(seed: int, classes: int, tiles: int, step: float) -> tuple[npt.NDArray[np.float32], ...]:
    """Corners (4, classes, tiles) in steps, so that some are close, and weights (rows, tiles) and (columns, tiles)."""
    random = np.random.default_rng(seed)
    corners = (np.round(random.normal(size=(4, classes, tiles)) / step) * step).astype(np.float32)
    down, across = (random.integers(0, 9, (length, tiles)).astype(np.float32) / 8 for length in (3, 5))
    return corners, down, across


@given(st.integers(0, 10_000), st.integers(2, 7), st.integers(1, 20), st.sampled_from([1e-7, 1e-3, 0.5]))
def test_the_largest_class_leads_where_it_is_sure(seed: int, classes: int, tiles: int, step: float) -> None:
    corners, down, across = drawn(seed, classes, tiles, step)
    lead = LEAD * np.abs(corners).max() + np.finfo(np.float32).tiny
    numbers = (np.arange(classes) * 3).astype(np.uint8)[:, None]
    label, sure = largest_of(corners, numbers, down, across, lead, Scratch())
    values = interpolated(corners, down.astype(np.float64), across.astype(np.float64))
    two = np.sort(values, 0)[-2:]
    clear = (two[1] - two[0] > 2 * lead).all((0, 1))
    assert sure[clear].all()
    assert not sure[(two[1] == two[0]).any((0, 1))].any()
    np.testing.assert_array_equal(label[..., sure], 3 * values.argmax(0)[..., sure])


@given(st.integers(0, 10_000), st.integers(1, 20), st.sampled_from([1e-7, 1e-3, 0.5]))
def test_the_second_of_two_wins_where_it_is_larger(seed: int, tiles: int, step: float) -> None:
    corners, down, across = drawn(seed, 2, tiles, step)
    lead = LEAD * np.abs(corners).max() + np.finfo(np.float32).tiny
    second, sure = wins(corners[:, 1] - corners[:, 0], down, across, lead, Scratch())
    values = interpolated(corners, down.astype(np.float64), across.astype(np.float64))
    apart = values[1] - values[0]
    assert sure[(np.abs(apart) > 2 * lead).all((0, 1))].all()
    assert not sure[(apart == 0).any((0, 1))].any()
    np.testing.assert_array_equal(second[..., sure], (apart > 0)[..., sure])
