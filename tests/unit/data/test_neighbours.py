"""Clips of neighbours: runs of a split, and stills beside copies whose flow is exact."""

from __future__ import annotations

import numpy as np
import pytest

from etc_edge.data.dataset import open_dataset
from etc_edge.data.neighbours import ClipPart, MovedStill, pick_neighbours
from etc_edge.metrics.motion import motion_between

STREET = "synthetic:street?size=64x96&frames=6&train=3&val=1"


def test_a_moved_copy_is_where_its_flow_says() -> None:
    still = MovedStill(ClipPart(open_dataset(STREET).clips("train")[0], 2, 1))
    assert (len(still), still.labelled) == (2, [0])
    first, second = still[0], still[1]
    assert first.flow_to_next is not None
    assert np.abs(first.flow_to_next).max() > 0.5
    motion = motion_between(first.image_rgb, second.image_rgb, first.flow_to_next, first.visible_in_next)
    nothing = motion_between(first.image_rgb, second.image_rgb, np.zeros_like(first.flow_to_next))
    assert motion.unchanged.sum() > 0.8 * motion.valid.sum()
    assert nothing.unchanged.mean() < motion.unchanged.mean()
    assert np.array_equal(still[1].image_rgb, second.image_rgb), "the same each time"
    with pytest.raises(IndexError):
        still[2]


def test_runs_are_spread_and_told_apart() -> None:
    clips = open_dataset(STREET).clips("train")
    picked, keys = pick_neighbours(clips, 8, 2)
    copies = sum(isinstance(clip, MovedStill) for clip in picked)
    assert len(keys) == 8
    assert sum(len(clip) for clip in picked) == 8 + copies, "what is left alone at the end of a clip gets a copy"
    everything, _ = pick_neighbours(clips, 100, 1)
    assert [(clip.name, len(clip)) for clip in everything] == [(f"{clip.name}+0", 6) for clip in clips]
    singles, keys = pick_neighbours(clips, 3, 3)
    assert [type(clip) for clip in singles] == [MovedStill] * 3
    assert len({name for name, _ in keys}) == 3


def test_a_part_is_the_frames_that_it_names() -> None:
    clip = open_dataset(STREET).clips("train")[1]
    part = ClipPart(clip, 2, 3)
    assert (part.name, len(part), list(part.labelled), part.fps) == (f"{clip.name}+2", 3, [0, 1, 2], clip.fps)
    assert np.array_equal(part[1].image_rgb, clip[3].image_rgb)
    assert part[1].index == 1
    with pytest.raises(IndexError):
        part[3]
