"""The street as a data set."""

from __future__ import annotations

import pickle
from fractions import Fraction

import numpy as np
import pytest

from etc_edge.core.errors import DatasetError
from etc_edge.data.dataset import open_dataset
from etc_edge.data.street import open_street

SPEC = "synthetic:street?size=64x96&frames=4&train=3&val=2&fps=30000/1001"


def test_is_found_by_its_spec() -> None:
    dataset = open_dataset(SPEC)
    assert dataset.name == "street"
    assert dataset.splits == ("train", "val")
    assert [len(dataset.clips(split)) for split in dataset.splits] == [3, 2]


def test_clips_have_frames_with_truth() -> None:
    clip = open_street(SPEC).clips("val")[0]
    assert (len(clip), clip.fps, list(clip.labelled)) == (4, Fraction(30000, 1001), [0, 1, 2, 3])
    frame = clip[1]
    assert frame.index == 1
    assert frame.image_rgb.shape == (64, 96, 3)
    assert frame.labels is not None
    assert frame.labels.shape == (64, 96)
    assert frame.flow_to_next is not None
    assert frame.flow_to_next.shape == (64, 96, 2)
    assert frame.visible_in_next is not None
    assert frame.visible_in_next.dtype == np.bool_
    assert clip[3].flow_to_next is None
    assert clip[3].visible_in_next is None
    for outside in (-1, 4):
        with pytest.raises(IndexError):
            clip[outside]


def test_labels_on_some_frames() -> None:
    dataset = open_street(SPEC + "&labelled=3")
    clip = dataset.clips("train")[0]
    assert list(clip.labelled) == [0, 1, 2]
    assert clip[2].labels is not None
    assert clip[2].flow_to_next is not None
    assert clip[3].labels is None
    assert list(dataset.clips("val")[0].labelled) == [0, 1, 2, 3]
    with pytest.raises(DatasetError, match="labelled=5 for a street of 4 frames"):
        open_street(SPEC + "&labelled=5")


def test_truth_can_be_left_out() -> None:
    assert open_street(SPEC + "&truth=no").clips("val")[0][0].flow_to_next is None


def test_no_street_is_in_both_splits_nor_in_those_of_another_seed() -> None:
    datasets = [open_street(f"synthetic:street?train=500&val=500&seed={seed}") for seed in (0, 1, 2)]
    names = [clip.name for dataset in datasets for split in dataset.splits for clip in dataset.clips(split)]
    assert len(set(names)) == len(names)


def test_changing_a_frame_changes_no_later_one() -> None:
    clip = open_street(SPEC).clips("train")[0]
    before = clip[0]
    kept = before.image_rgb.copy()
    before.image_rgb[:] = 0
    np.testing.assert_array_equal(clip[0].image_rgb, kept)


def test_clips_travel_to_other_processes() -> None:
    clip = open_street(SPEC).clips("train")[1]
    again = pickle.loads(pickle.dumps(clip))
    assert again == clip
    np.testing.assert_array_equal(again[2].image_rgb, clip[2].image_rgb)


@pytest.mark.parametrize(
    ("setting", "message"),
    [("frames=0", "at least 1"), ("truth=maybe", "yes or no"), ("trian=3", "Did you mean 'train'"), ("size=9", "size")],
)
def test_wrong_settings(setting: str, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        open_street(f"synthetic:street?{setting}")
