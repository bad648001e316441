"""Frames are told apart by what is in them, not by their names."""

from __future__ import annotations

import numpy as np

from etc_edge.data.dataset import open_dataset
from etc_edge.data.neighbours import remaining
from etc_edge.data.overlap import frame_digest, shared_frames, split_digests

DATA = "synthetic:street?size=64x96&frames=3&train=2&val=1&truth=no"


def test_shared_frames_are_found_and_others_are_not() -> None:
    dataset = open_dataset(DATA)
    reported = split_digests(dataset.clips("val"))
    assert len(reported) == 3
    clip = dataset.clips("val")[0]
    others = [one[0].image_rgb for one in dataset.clips("train")]
    assert shared_frames(others, reported) == []
    assert shared_frames([*others, clip[1].image_rgb.copy()], reported) == [f"frame 1 of {clip.name}"]
    assert shared_frames(others, {}) == []


def test_a_digest_is_of_the_size_too() -> None:
    flat = np.zeros((4, 6, 3), np.uint8)
    assert frame_digest(flat) == frame_digest(np.asfortranarray(flat))
    assert frame_digest(flat) != frame_digest(flat.reshape(6, 4, 3))


def test_clips_are_cut_where_frames_are_held_back() -> None:
    clips = open_dataset(DATA).clips("train")
    first, second = clips
    left = remaining(clips, frozenset({(first.name, 1)}))
    assert [len(clip) for clip in left] == [1, 1, 3]
    assert left[2] is second
    assert np.array_equal(left[1][0].image_rgb, first[2].image_rgb)
    assert remaining(clips[:1], frozenset((first.name, index) for index in range(3))) == []
