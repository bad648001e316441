"""The random transform moves image and labels together."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etc_edge.training.augmentation import Transform, sample_transform
from etc_edge.training.recipe import AugmentationRecipe

GREY = (128.0, 128.0, 128.0)


def still(crop_hw: tuple[int, int], **changes: object) -> AugmentationRecipe:
    settings = {"scale": (1.0, 1.0), "rotation_p": 0.0, "blur_p": 0.0, "flip_p": 0.0} | changes
    return AugmentationRecipe(crop_hw=crop_hw, **settings)  # type: ignore[arg-type]


def numbered(height: int, width: int) -> np.ndarray:
    """An image whose red channel is the row and whose green channel is the column."""
    rows, columns = np.mgrid[:height, :width]
    return np.ascontiguousarray(np.stack([rows, columns, np.zeros_like(rows)], -1).astype(np.uint8))


def test_nothing_drawn_changes_nothing() -> None:
    image = numbered(24, 32)
    transform = sample_transform(still((24, 32)), (24, 32), np.random.default_rng(0))
    np.testing.assert_array_equal(transform.image(image, GREY), image)
    np.testing.assert_array_equal(transform.labels(image[..., 0], 255), image[..., 0])


def test_a_flip_mirrors_columns_exactly() -> None:
    image = numbered(24, 32)
    transform = sample_transform(still((24, 32), flip_p=1.0), (24, 32), np.random.default_rng(0))
    np.testing.assert_array_equal(transform.image(image, GREY), image[:, ::-1])
    np.testing.assert_array_equal(transform.labels(image[..., 1], 255), image[:, ::-1, 1])


@given(st.integers(0, 10_000))
def test_a_crop_is_a_piece_of_the_frame(seed: int) -> None:
    image = numbered(40, 50)
    transform = sample_transform(still((16, 24)), (40, 50), np.random.default_rng(seed))
    labels = transform.labels(np.full((40, 50), 3, np.uint8), 255)
    assert (labels == 3).all()
    cut = transform.image(image, GREY).astype(int)
    # A crop at a fraction of a pixel is interpolated: neighbours still differ by one.
    assert np.abs(np.diff(cut[..., 0], axis=0) - 1).max() <= 1
    assert cut[..., 1].max() - cut[..., 1].min() in (23, 24)


@given(st.integers(0, 10_000))
def test_a_small_frame_lies_whole_in_the_crop(seed: int) -> None:
    transform = sample_transform(still((64, 64), scale=(0.5, 0.5)), (40, 60), np.random.default_rng(seed))
    labels = transform.labels(np.full((40, 60), 3, np.uint8), 255)
    inside = int((labels == 3).sum())
    assert inside == pytest.approx(20 * 30, abs=60)
    assert (labels == 255).sum() == labels.size - inside


@given(st.integers(0, 10_000))
def test_image_and_labels_move_together(seed: int) -> None:
    recipe = AugmentationRecipe(crop_hw=(32, 40), scale=(0.6, 1.8), rotation_deg=10, rotation_p=1.0, blur_p=0.0)
    transform = sample_transform(recipe, (48, 64), np.random.default_rng(seed))
    labels = np.zeros((48, 64), np.uint8)
    labels[12:36, 16:48] = 1
    image = np.ascontiguousarray(np.repeat(labels[..., None] * 255, 3, 2), np.uint8)
    moved, moved_labels = transform.image(image, (0.0, 0.0, 0.0)), transform.labels(labels, 0)
    agree = (moved[..., 0] > 127) == (moved_labels == 1)
    assert agree.mean() > 0.95


def test_the_same_transform_serves_both_frames_of_a_pair() -> None:
    recipe = AugmentationRecipe(crop_hw=(32, 40), jitter=0.5)
    transform = sample_transform(recipe, (48, 64), np.random.default_rng(3))
    frame = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    np.testing.assert_array_equal(transform.image(frame, GREY), transform.image(frame.copy(), GREY))


def test_the_draw_depends_on_the_seed_alone() -> None:
    recipe = AugmentationRecipe(crop_hw=(32, 40), jitter=0.5)
    first, again, other = (sample_transform(recipe, (48, 64), np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.matrix, again.matrix)
    assert not np.array_equal(first.matrix, other.matrix)


def test_the_range_of_the_scale_is_kept() -> None:
    recipe = AugmentationRecipe(crop_hw=(32, 40), scale=(0.5, 2.0))
    rng = np.random.default_rng(0)
    scales = [math.sqrt(abs(np.linalg.det(sample_transform(recipe, (48, 64), rng).matrix[:, :2]))) for _ in range(500)]
    assert 0.5 <= min(scales) < 0.52
    assert 1.93 < max(scales) <= 2.0


def test_light_changes_by_hand() -> None:
    image = np.full((2, 2, 3), (200, 100, 50), np.uint8)
    identity = np.eye(2, 3)
    luma = 0.299 * 200 + 0.587 * 100 + 0.114 * 50
    brighter = Transform(identity, (2, 2), brightness=1.2).image(image, GREY)
    assert brighter[0, 0].tolist() == [240, 120, 60]
    flat = Transform(identity, (2, 2), contrast=0.5).image(image, GREY)
    assert flat[0, 0].tolist() == pytest.approx([163.75, 113.75, 88.75], abs=1)
    grey = Transform(identity, (2, 2), saturation=0.0).image(image, GREY)
    assert grey[0, 0].tolist() == pytest.approx([luma] * 3, abs=1)
