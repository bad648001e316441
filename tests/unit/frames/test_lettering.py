"""Text as masks."""

from __future__ import annotations

import numpy as np

from etc_edge.frames.lettering import lettering, paste


def test_longer_text_is_wider_and_letters_are_there() -> None:
    short, long = lettering("car", 14), lettering("pedestrian", 14)
    assert short.shape[0] == long.shape[0] == 14
    assert short.shape[1] < long.shape[1]
    assert 0.05 < (short > 128).mean() < 0.6
    assert lettering("car", 14) is short


def test_pasting_blends_and_clips() -> None:
    image = np.zeros((4, 4, 3), np.uint8)
    mask = np.array([[255, 128], [0, 255]], np.uint8)
    paste(image, mask, 1, 1, (200, 100, 50))
    np.testing.assert_array_equal(image[1, 1], (200, 100, 50))
    np.testing.assert_array_equal(image[1, 2], (100, 50, 25))
    assert not image[2, 1].any()
    corner = image.copy()
    for x, y in ((3, 3), (-1, -1), (9, 0), (0, -9)):
        paste(image, mask, x, y, (255, 255, 255))
    assert (image[3, 3] == 255).all()
    assert (image[0, 0] == 255).all()
    np.testing.assert_array_equal(image[1:3, 1:3], corner[1:3, 1:3])
