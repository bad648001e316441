"""Departure of logits, against errors whose change along the motion is known."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from etc_edge.core.errors import CalibrationError
from etc_edge.data.dataset import open_dataset
from etc_edge.flow.base import open_flow
from etc_edge.flow.warp import warp_bilinear
from etc_edge.quantization.steadiness import Departure, NeighbourPair, departure, read_pairs

Float = npt.NDArray[np.float32]
H, W, CLASSES = 12, 16, 5


def pair(dx: float, scale: int = 1) -> NeighbourPair:
    """Everything moves `dx` pixels of the logits' grid to the right; frames are `scale` times as large."""
    flow = np.zeros((H * scale, W * scale, 2), np.float32)
    flow[..., 0] = dx * scale
    return NeighbourPair(np.zeros((2, 4, 4, 3), np.uint8), flow, np.ones(flow.shape[:2], np.bool_))


def noise(seed: int) -> Float:
    return np.random.default_rng(seed).normal(size=(CLASSES, H, W)).astype(np.float32)


@pytest.mark.parametrize("scale", [1, 4])
def test_an_error_that_moves_with_the_picture_does_not_change(scale: int) -> None:
    first = noise(0)
    moved = np.roll(first, 3, axis=2)
    found = departure([np.stack([first, moved])], [pair(3.0, scale)])
    assert found.change == pytest.approx(0.0, abs=1e-9)
    stays = departure([np.stack([first, first])], [pair(3.0, scale)])
    assert stays.error == pytest.approx(found.error, rel=0.2)
    assert stays.change > 0.5


def test_independent_errors_change_by_twice_their_power() -> None:
    errors = [np.stack([noise(2 * seed), noise(2 * seed + 1)]) for seed in range(40)]
    found = departure(errors, [pair(0.0)] * 40)
    # Taking the mean of five classes off leaves four fifths of the power.
    assert found.error == pytest.approx(0.8, rel=0.02)
    assert found.change == pytest.approx(1.6, rel=0.02)


def test_what_all_classes_share_changes_no_label_and_does_not_count() -> None:
    shared = np.broadcast_to(noise(1)[:1], (CLASSES, H, W))
    found = departure([np.stack([shared, 3 * shared])], [pair(0.0)])
    assert (found.error, found.change) == pytest.approx((0.0, 0.0), abs=1e-9)


def test_it_is_the_difference_of_warped_neighbours_that_departs() -> None:
    """By the definition: INT8's difference of warped neighbours minus FP32's, with no class mean to take off."""
    theirs, error = np.stack([noise(1), noise(2)]), np.stack([noise(3), noise(4)])
    error -= error.mean(1, keepdims=True)
    moving = pair(1.25)

    def difference(logits: Float) -> Float:
        first, second = np.moveaxis(logits, 1, -1)
        return first - warp_bilinear(np.ascontiguousarray(second), moving.flow)[0]

    inside = warp_bilinear(np.zeros((H, W), np.float32), moving.flow)[1]
    expected = np.square((difference(theirs + error) - difference(theirs))[inside]).mean()
    assert departure([error], [moving]).change == pytest.approx(expected, rel=1e-4)


def test_unseen_pixels_do_not_count() -> None:
    still = pair(0.0)
    still.seen[:, 4:] = False
    error = np.zeros((2, CLASSES, H, W), np.float32)
    error[1, 0, :, 4:] = 7.0
    assert departure([error], [still]).change == 0.0


def test_beside_the_start() -> None:
    start = Departure(2.0, 4.0)
    assert start.beside(start, 3.0) == 4.0
    assert Departure(1.0, 2.0).beside(start, 0.0) == 0.5
    assert Departure(1.0, 1.0).beside(start, 2.0) == 1.0


def test_pairs_of_clips_and_of_stills() -> None:
    dataset, flow = open_dataset("synthetic:street?size=64x96&frames=3&train=3&val=1"), open_flow("dis-fast")
    clips = dataset.clips("train")
    found = read_pairs(clips, 4, (32, 48), flow)
    assert 2 <= len(found) <= 4
    assert all(one.frames.shape == (2, 32, 48, 3) and one.flow.shape == (64, 96, 2) for one in found)
    assert all(one.seen.mean() > 0.5 for one in found)
    with pytest.raises(CalibrationError, match="pairs of neighbours"):
        read_pairs(clips[:1], 1, (32, 48), flow)
