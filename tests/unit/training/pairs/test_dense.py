"""Neighbours in video, on the synthetic street, whose flow and occlusion are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from etc_edge.core.errors import EtcEdgeError, RecipeError
from etc_edge.data.clip import Clip
from etc_edge.data.dataset import open_dataset
from etc_edge.flow.warp import warp_bilinear
from etc_edge.training.augmentation import Transform, sample_transform
from etc_edge.training.frames import Labelled, fitted
from etc_edge.training.pairs.dense import Dense
from etc_edge.training.recipe import AugmentationRecipe, DenseRecipe
from tests.unit.training.test_samples import NoisyClip

SIZE = (144, 256)
BORDER = (0.0, 0.0, 0.0)


@pytest.fixture(scope="module")
def clip() -> Clip:
    return open_dataset("synthetic:street?size=144x256&frames=5&train=1&val=1").clips("train")[0]


def whole(size_hw: tuple[int, int] = SIZE) -> Transform:
    return Transform(np.eye(2, 3), size_hw)


def test_exact_flow_is_the_clips_own(clip: Clip) -> None:
    frame = Labelled(clip, 1)
    source = Dense(DenseRecipe(gap=1, flow="exact"), SIZE, BORDER)
    source.check([frame])
    first, (other,) = source(frame, clip[1].image_rgb, whole(), np.random.default_rng(0))
    assert other.index == 2
    assert np.array_equal(first, clip[1].image_rgb)
    assert np.array_equal(other.image, clip[2].image_rgb)
    truth = clip[1]
    assert truth.flow_to_next is not None
    assert np.allclose(other.flow, truth.flow_to_next)
    assert np.array_equal(other.valid, truth.visible_in_next)


@pytest.mark.parametrize("flow", ["exact", "dis-medium"])
def test_the_neighbour_brought_back_is_the_frame(clip: Clip, flow: str) -> None:
    rng = np.random.default_rng(2)
    transform = sample_transform(
        AugmentationRecipe(crop_hw=(112, 160), scale=(1.0, 1.4), blur_p=0, rotation_p=1.0, flip_p=1.0), SIZE, rng
    )
    source = Dense(DenseRecipe(gap=1, flow=flow), SIZE, BORDER)
    first, (other,) = source(Labelled(clip, 1), clip[1].image_rgb, transform, rng)
    back, inside = warp_bilinear(other.image, other.flow)
    counted = inside & other.valid
    assert counted.mean() > 0.4
    still = np.abs(other.image.astype(float) - first)[counted].mean()
    assert np.abs(back - first)[counted].mean() < 0.75 * still


def test_frames_of_another_size(clip: Clip) -> None:
    size = (72, 128)
    image = fitted(clip[1].image_rgb, size)
    source = Dense(DenseRecipe(gap=1, flow="exact"), size, BORDER)
    _, (other,) = source(Labelled(clip, 1), image, whole(size), np.random.default_rng(0))
    truth = clip[1].flow_to_next
    assert truth is not None
    assert other.flow.shape == (72, 128, 2)
    assert np.median(np.abs(other.flow - truth[::2, ::2] / 2)) < 0.1


def test_of_three_frames_one_comes_before_and_one_after(clip: Clip) -> None:
    source = Dense(DenseRecipe(frames=3, gap=2), SIZE, BORDER)
    seen = set()
    for seed in range(8):
        _, others = source(Labelled(clip, 2), clip[2].image_rgb, whole(), np.random.default_rng(seed))
        before, after = (other.index for other in others)
        assert before + after == 4
        seen.add(after - 2)
    assert seen == {1, 2}
    assert source.frames_of(Labelled(clip, 2)) == range(5)


def test_flow_that_is_kept_is_what_was_estimated(clip: Clip, tmp_path: Path) -> None:
    frame, rng = Labelled(clip, 1), np.random.default_rng
    plain = Dense(DenseRecipe(gap=1), SIZE, BORDER)(frame, clip[1].image_rgb, whole(), rng(1))[1][0]
    stored = DenseRecipe(gap=1, store=str(tmp_path))
    for _ in range(2):
        kept = Dense(stored, SIZE, BORDER)(frame, clip[1].image_rgb, whole(), rng(1))[1][0]
        assert kept.index == plain.index
        assert np.abs(kept.flow - plain.flow).max() < 0.05, "it is kept in half precision"
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 2, "there and back"


@pytest.mark.parametrize(
    ("recipe", "index", "message"),
    [
        (DenseRecipe(flow="exact"), 1, "exact flow for 2 frames with a gap of 3"),
        (DenseRecipe(flow="exact", gap=1, frames=3), 1, "exact flow for 3 frames"),
        (DenseRecipe(flow="exact", gap=1), 4, "without a next frame"),
        (DenseRecipe(frames=3), 0, "without a neighbour either way"),
    ],
)
def test_what_gives_no_pairs_is_refused(clip: Clip, recipe: DenseRecipe, index: int, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        Dense(recipe, SIZE, BORDER).check([Labelled(clip, index)])


def test_stills_have_no_neighbours() -> None:
    with pytest.raises(RecipeError, match="without a neighbour") as caught:
        Dense(DenseRecipe(), (40, 48), BORDER).check([Labelled(NoisyClip("a", 1), 0)])
    assert "stills" in (caught.value.hint or "")
    with pytest.raises(EtcEdgeError, match="optical flow"):
        Dense(DenseRecipe(flow="dis-medum"), (40, 48), BORDER).check([Labelled(NoisyClip("a", 3), 0)])
