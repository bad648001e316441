"""Panels: what lies under them shows through, what is written does not."""

from __future__ import annotations

import numpy as np
import pytest

from etc_edge.frames.panel import GROUND, THROUGH, Panel


@pytest.mark.parametrize("place_xy", [(2, 1), (-2, 0), (9, 3), (20, 9), (0, -9)])
def test_a_panel_is_the_plain_formula(place_xy: tuple[int, int]) -> None:
    random = np.random.default_rng(0)
    picture, mask = random.integers(0, 256, (6, 12, 3), np.uint8), random.integers(0, 256, (4, 5), np.uint8)
    panel, color, (x, y) = Panel((6, 12)), (200, 30, 90), place_xy
    panel.write(mask, x, y, color)
    letters = np.zeros((40, 60))
    letters[10 + y : 14 + y, 10 + x : 15 + x] = mask / 255
    covered = letters[10:16, 10:22, None]
    expected = covered * color + (1 - covered) * (THROUGH * picture + (1 - THROUGH) * np.array(GROUND))
    for _ in range(2):
        drawn = picture.copy()
        panel.cover(drawn)
        # The weight of the picture, its product, and what letters and ground add are rounded, each by half a step.
        np.testing.assert_allclose(drawn, expected, atol=2)
        assert np.abs(drawn - expected).mean() < 0.6


def test_a_part_of_a_picture_is_covered_and_nothing_else() -> None:
    picture = np.full((20, 30, 3), 100, np.uint8)
    panel = Panel((5, 7))
    panel.write(np.full((2, 2), 255, np.uint8), 1, 1, (1, 2, 3))
    panel.cover(picture[:5, :7])
    assert (picture[5:] == 100).all()
    assert (picture[:, 7:] == 100).all()
    assert (picture[1:3, 1:3] == (1, 2, 3)).all()
    assert (picture[4, 6] == np.rint(30 + 0.7 * np.array(GROUND))).all()
