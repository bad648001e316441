"""Copies of stills: their flow leads to the same surface, exactly."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from etc_edge.flow.warp import warp_bilinear
from etc_edge.training.augmentation import Transform, sample_transform
from etc_edge.training.frames import Labelled
from etc_edge.training.pairs.stills import Stills
from etc_edge.training.recipe import AugmentationRecipe, StillsRecipe
from tests.unit.training.test_samples import CLIPS

FRAME = Labelled(CLIPS[0], 0)
SIZE, CROP = (120, 160), (80, 112)
QUIET = StillsRecipe(noise=0, jitter=0)


def smooth(seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 256, (*SIZE, 3)).astype(np.uint8)
    return np.asarray(cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 4), None, 0, 255, cv2.NORM_MINMAX))  # type: ignore[call-overload]


@pytest.mark.parametrize("seed", range(5))
def test_the_copy_brought_back_is_the_frame(seed: int) -> None:
    rng = np.random.default_rng(seed)
    transform = sample_transform(AugmentationRecipe(crop_hw=CROP, scale=(0.9, 1.6), blur_p=0), SIZE, rng)
    first, (other,) = Stills(QUIET, SIZE, (0.0, 0.0, 0.0))(FRAME, smooth(), transform, rng)
    back, inside = warp_bilinear(other.image, other.flow)
    counted = inside & other.valid
    assert counted.mean() > 0.5
    # Edges of the frame mix with what is around it, and both pictures are interpolated once.
    assert np.median(np.abs(back - first)[counted]) < 1.0
    assert np.percentile(np.abs(back - first)[counted], 95) < 4.0
    assert np.abs(other.flow).max() > 0.5, "it moved"


def test_of_three_frames_the_past_and_the_future_move_in_opposite_ways() -> None:
    still = Transform(np.eye(2, 3), SIZE)
    _, (past, future) = Stills(StillsRecipe(frames=3), SIZE, (0.0, 0.0, 0.0))(
        FRAME, smooth(), still, np.random.default_rng(3)
    )
    there_and_back, inside = warp_bilinear(past.flow, future.flow)
    assert np.abs(future.flow + there_and_back)[inside].max() < 0.1


def test_noise_and_light_differ_from_frame_to_frame() -> None:
    image = np.full((*SIZE, 3), 128, np.uint8)
    still = Transform(np.eye(2, 3), SIZE)
    first, (other,) = Stills(StillsRecipe(noise=4, jitter=0.2, shift=0, zoom=0, rotation_deg=0), SIZE, (128.0,) * 3)(
        FRAME, image, still, np.random.default_rng(0)
    )
    assert 0.3 < first.std() < 4.2
    assert not np.array_equal(first, other.image)
    assert abs(float(other.image.mean()) - 128) > 1
    assert np.abs(other.flow).max() < 1e-9


def test_noise_is_drawn_anew_for_every_sample_up_to_the_recipes() -> None:
    image = np.full((*SIZE, 3), 128, np.uint8)
    make = Stills(StillsRecipe(noise=4, jitter=0), SIZE, (128.0,) * 3)
    still = Transform(np.eye(2, 3), SIZE)
    found = [float(make(FRAME, image, still, np.random.default_rng(seed))[0].std()) for seed in range(200)]
    # Rounding to whole levels adds 1/12 to the variance.
    assert max(found) <= 4.2
    assert float(np.mean(found)) == pytest.approx(2.0, abs=0.3)


def test_the_same_generator_makes_the_same_copy() -> None:
    still = Transform(np.eye(2, 3), SIZE)
    make = Stills(StillsRecipe(), SIZE, (0.0, 0.0, 0.0))
    (one,), (other,) = (make(FRAME, smooth(), still, np.random.default_rng(9))[1] for _ in range(2))
    assert np.array_equal(one.image, other.image)
    assert np.array_equal(one.flow, other.flow)
    assert make.frames_of(FRAME) == range(1)
