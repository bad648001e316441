"""Fitting frames and labels to sizes."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from etc_edge.frames.preprocess import fit_frame, fit_labels
from tests.moving_square import picture


def test_what_fits_is_not_copied() -> None:
    image, labels = picture(0), np.zeros((48, 64), np.uint8)
    assert fit_frame(image, (48, 64)) is image
    assert fit_labels(labels, (48, 64)) is labels


def test_what_fits_is_made_contiguous() -> None:
    flipped = picture(0)[:, ::-1]
    fitted = fit_frame(flipped, (48, 64))
    assert fitted.flags.c_contiguous
    np.testing.assert_array_equal(fitted, flipped)


def test_shrinking_averages() -> None:
    checks = (np.indices((40, 40)).sum(0) % 2 * 255).astype(np.uint8)
    small = fit_frame(np.dstack([checks] * 3), (10, 10))
    assert small.shape == (10, 10, 3)
    assert np.abs(small.astype(int) - 128).max() <= 1


@pytest.mark.parametrize("size", [(540, 960), (1080, 1920), (720, 1280), (480, 640), (700, 500), (1081, 1921)])
def test_shrinking_is_close_to_averaging_areas(size: tuple[int, int]) -> None:
    noise = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 255, (*size, 3)).astype(np.uint8), (5, 5), 1.0)
    expected = cv2.resize(noise, (480, 360), interpolation=cv2.INTER_AREA)
    found = fit_frame(noise, (360, 480))
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.93
    assert np.abs(found.astype(float).mean() - expected.mean()) < 0.3


@pytest.mark.parametrize("size", [(96, 128), (96, 30), (31, 50)])
def test_any_size(size: tuple[int, int]) -> None:
    fitted = fit_frame(picture(0), size)
    assert fitted.shape == (*size, 3)
    assert fitted.dtype == np.uint8


@pytest.mark.parametrize("size", [(96, 128), (24, 32), (97, 131), (31, 50)])
def test_labels_stay_where_they_are_and_keep_their_values(size: tuple[int, int]) -> None:
    labels = np.random.default_rng(0).choice([3, 7, 200], (48, 64)).astype(np.uint8)
    fitted = fit_labels(labels, size)
    # Each new label is one whose cell holds the new one's centre; where cells meet either will do.
    for axis in (0, 1):
        ramp = np.broadcast_to(np.expand_dims(np.arange(labels.shape[axis]), 1 - axis), labels.shape)
        taken = fit_labels(ramp.astype(np.uint8), size).astype(float)
        centres = (np.arange(size[axis]) + 0.5) * labels.shape[axis] / size[axis] - 0.5
        assert np.abs(taken - np.expand_dims(centres, 1 - axis)).max() <= 0.5 + 1e-3
    assert set(np.unique(fitted)) <= {3, 7, 200}
    assert fitted.shape == size
