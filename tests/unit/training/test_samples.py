"""Which samples an iteration takes, and what is kept out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from etc_edge.core.errors import DatasetError, TrainingError
from etc_edge.data.clip import ClipFrame
from etc_edge.training.batches import Share, load_batches
from etc_edge.training.frames import Labelled, every_frame, hold_out, labelled_frames, read_labelled
from etc_edge.training.pairs.source import open_pairs
from etc_edge.training.plan import Plan
from etc_edge.training.recipe import AugmentationRecipe, StillsRecipe
from etc_edge.training.samples import AugmentedFrames, SampleMakers


@dataclass(frozen=True)
class NoisyClip:
    """Frames of noise, of which the even ones are labelled."""

    name: str
    length: int
    fps: Fraction | None = None

    @property
    def labelled(self) -> Sequence[int]:
        return range(0, self.length, 2)

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int, /) -> ClipFrame:
        rng = np.random.default_rng([len(self.name), index])
        labels = rng.integers(0, 3, (40, 48), np.uint8) if index % 2 == 0 else None
        return ClipFrame(index, rng.integers(0, 256, (40, 48, 3), np.uint8), labels)


CLIPS = [NoisyClip("a", 6), NoisyClip("bb", 5), NoisyClip("ccc", 1)]


def samples(makers: SampleMakers = SampleMakers()) -> AugmentedFrames:  # noqa: B008
    recipe = AugmentationRecipe(crop_hw=(24, 32), jitter=0.3)
    return AugmentedFrames(labelled_frames(CLIPS, "test"), recipe, (40, 48), (1.0, 2.0, 3.0), 255, 4, makers)


def test_copies_of_a_labelled_frame_have_its_labels_where_they_show_it() -> None:
    source = open_pairs(StillsRecipe(frames=3, noise=0, jitter=0), (40, 48), (1.0, 2.0, 3.0))
    sample = samples(SampleMakers(source))[0, 1]
    for other, labels in zip(sample.others, sample.other_labels, strict=True):
        y, x = np.mgrid[:24, :32]
        at_x, at_y = np.rint(x + other.flow[..., 0]).astype(int), np.rint(y + other.flow[..., 1]).astype(int)
        inside = (at_x >= 0) & (at_x < 32) & (at_y >= 0) & (at_y < 24) & (sample.labels != 255)
        # Both are nearest neighbours of one map, so they may differ at the edges of its cells.
        same = labels[at_y[inside], at_x[inside]] == sample.labels[inside]
        assert same.mean() > 0.4
        assert len(set(labels.ravel()) - {0, 1, 2, 255}) == 0


def test_every_frame_is_a_sample_where_no_labels_are_needed() -> None:
    frames = every_frame(CLIPS, "test")
    assert len(frames) == sum(len(clip) for clip in CLIPS)
    image, labels = read_labelled(frames[1], (40, 48), 7)
    assert image.shape == (40, 48, 3)
    assert np.all(labels == 7), "frame 1 of the clip has no labels: all is void"
    with pytest.raises(DatasetError, match="no frame in nothing"):
        every_frame([], "nothing")


def test_only_labelled_frames_are_samples() -> None:
    found = [(frame.clip.name, frame.index) for frame in labelled_frames(CLIPS, "test")]
    assert found == [("a", 0), ("a", 2), ("a", 4), ("bb", 0), ("bb", 2), ("bb", 4), ("ccc", 0)]
    assert samples().clip_of == (0, 0, 0, 1, 1, 1, 2)
    with pytest.raises(DatasetError, match="no labelled frame in nothing"):
        labelled_frames([], "nothing")


def test_frames_come_at_the_networks_size() -> None:
    image, labels = read_labelled(Labelled(CLIPS[0], 0), (20, 24), 255)
    assert image.shape == (20, 24, 3)
    assert labels.shape == (20, 24)
    assert set(np.unique(labels)) <= {0, 1, 2}


@given(st.integers(2, 400), st.floats(0, 0.9), st.integers(1, 9))
def test_holding_out_parts_the_frames(count: int, share: float, blocks: int) -> None:
    frames = [Labelled(NoisyClip("a", 1), index) for index in range(count)]
    kept, watched = hold_out(frames, share, blocks)
    assert sorted(frame.index for frame in kept + watched) == list(range(count))
    assert len(kept) >= 1
    assert len(watched) == min(count - 1, round(share * count))
    indices = [frame.index for frame in watched]
    runs = sum(1 for before, after in pairwise(indices) if after != before + 1) + bool(indices)
    assert runs <= blocks


@given(st.lists(st.integers(0, 20), min_size=8, max_size=80), st.integers(0, 5))
def test_an_epoch_takes_every_sample_at_most_once(clip_of: list[int], epoch: int) -> None:
    plan = Plan(tuple(clip_of), 8, 2, seed=0)
    assert sorted(plan.order(epoch)) == list(range(len(clip_of)))
    keys = [key for batch in plan.batches() for key in batch]
    assert len(set(keys)) == len(keys) == plan.iterations * 8


def test_frames_of_a_clip_come_close_together() -> None:
    clip_of = np.repeat(np.arange(30), 10)
    order = Plan(tuple(clip_of), 4, 1, seed=0).order(0)
    for clip in range(30):
        places = np.flatnonzero(clip_of[order] == clip)
        assert places.max() - places.min() < 60


def test_stills_are_mixed_over_all() -> None:
    order = Plan(tuple(range(300)), 4, 1, seed=0).order(0)
    assert abs(np.corrcoef(order, np.arange(300))[0, 1]) < 0.2


def test_the_rest_of_a_plan_is_its_end() -> None:
    plan = Plan(tuple(range(21)), 4, 3, seed=1)
    whole = list(plan.batches())
    assert len(whole) == plan.iterations == 15
    for first in (1, 5, 7, 15):
        assert list(plan.batches(first)) == whole[first:]
    assert whole[:5] != whole[5:10]


def test_fewer_samples_than_a_batch() -> None:
    with pytest.raises(TrainingError, match="3 samples"):
        Plan((0, 1, 2), 4, 1, seed=0)


def test_batches_are_the_same_with_any_number_of_workers() -> None:
    plan = Plan(samples().clip_of, 3, 2, seed=0)
    before = torch.get_rng_state()
    alone = list(load_batches(samples(), plan, 0, 0))
    helped = list(load_batches(samples(), plan, 0, 2))
    later = list(load_batches(samples(), plan, 2, 1))
    assert len(alone) == 4
    for one, other in zip(alone, helped, strict=True):
        assert torch.equal(one.frames[0], other.frames[0])
        assert torch.equal(one.labels, other.labels)
    assert torch.equal(later[0].frames[0], alone[2].frames[0])
    assert alone[0].frames[0].shape == (3, 24, 32, 3)
    assert alone[0].frames[0].dtype == alone[0].labels.dtype == torch.uint8
    assert torch.equal(before, torch.get_rng_state()), "the loader leaves the generator of dropout alone"


def test_a_recipe_with_pairs_sees_the_same_labelled_frames() -> None:
    """Runs that are compared differ in their losses, not in what they were shown."""
    pairs = open_pairs(StillsRecipe(noise=0), (40, 48), (1.0, 2.0, 3.0))
    plan = Plan(samples().clip_of, 3, 1, seed=0)
    alone = list(load_batches(samples(), plan, 0, 0))
    paired = list(load_batches(samples(SampleMakers(pairs)), plan, 0, 0))
    for one, other in zip(alone, paired, strict=True):
        assert torch.equal(one.frames[0], other.frames[0])
        assert torch.equal(one.labels, other.labels)
        assert [frames.shape for frames in other.frames] == [(3, 24, 32, 3)] * 2
        (motion,) = other.motions
        assert motion.flow.shape == (3, 24, 32, 2)
        assert motion.flow.dtype == torch.float32
        assert motion.valid.shape == (3, 24, 32)


def test_the_shares_of_several_processes_make_the_batch() -> None:
    plan = Plan(samples().clip_of, 4, 2, seed=0)
    whole = list(load_batches(samples(), plan, 0, 0))
    parts = [list(load_batches(samples(), plan, 0, 0, Share(rank, 2))) for rank in range(2)]
    for batch, first, second in zip(whole, *parts, strict=True):
        assert torch.equal(batch.labels[0::2], first.labels)
        assert torch.equal(batch.labels[1::2], second.labels)


def test_a_batch_in_parts() -> None:
    pairs = open_pairs(StillsRecipe(), (40, 48), (1.0, 2.0, 3.0))
    (batch,) = load_batches(samples(SampleMakers(pairs)), Plan(samples().clip_of, 6, 1, seed=0), 0, 0)
    parts = batch.parts(3)
    assert torch.equal(torch.cat([part.labels for part in parts]), batch.labels)
    assert torch.equal(torch.cat([part.frames[1] for part in parts]), batch.frames[1])
    assert torch.equal(torch.cat([part.motions[0].flow for part in parts]), batch.motions[0].flow)
    assert batch.parts(1) == [batch]
