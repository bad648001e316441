"""Clips in another light and pose: labels and flow go where the picture goes, and takes of one place are one clip."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etc_edge.data.clip import Clip, ClipFrame
from etc_edge.data.dataset import open_dataset
from etc_edge.data.neighbours import ClipPart, MovedStill
from etc_edge.data.relit import Relit, Takes
from etc_edge.metrics.motion import motion_between

DATASET = open_dataset("synthetic:street?size=96x128&frames=4&train=2&val=1")
VOID = DATASET.label_set.void


@dataclass(frozen=True)
class Named:
    """A clip under a name of its own, which is what its light is drawn by."""

    clip: Clip
    name: str
    fps = None

    @property
    def labelled(self) -> list[int]:
        return list(self.clip.labelled)

    def __len__(self) -> int:
        return len(self.clip)

    def __getitem__(self, index: int, /) -> ClipFrame:
        return self.clip[index]


def street(name: str = "street") -> Named:
    return Named(DATASET.clips("train")[0], name)


@given(name=st.text("abcdef", min_size=1, max_size=8))
@settings(max_examples=20, deadline=None)
def test_labels_go_where_the_picture_goes(name: str) -> None:
    clip = street(name)
    frame = clip[0]
    assert frame.labels is not None
    # A picture of the labels themselves: each class a grey level far from the others', which no light reorders.
    grey = (20 * (frame.labels % 12)).astype(np.uint8)
    drawn = Named(_One(replace(frame, image_rgb=np.repeat(grey[..., None], 3, -1))), name)
    relit = Relit(drawn, VOID)[0]
    assert relit.labels is not None
    scored = relit.labels != VOID
    assert scored.mean() > 0.4
    # What is thin is blurred away.
    large = [one for one in np.unique(relit.labels[scored]).tolist() if (relit.labels == one).sum() > 300]
    classes = sorted(large, key=lambda one: one % 12)
    assert len(classes) >= 3
    levels = [float(np.median(relit.image_rgb[..., 1][relit.labels == one])) for one in classes]
    assert levels == sorted(levels)
    assert np.array_equal(relit.image_rgb, Relit(drawn, VOID)[0].image_rgb), "the same each time"


@dataclass(frozen=True)
class _One:
    frame: ClipFrame
    name = "one"
    fps = None
    labelled = (0,)

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int, /) -> ClipFrame:
        return self.frame


@given(name=st.text("abcdef", min_size=1, max_size=8))
@settings(max_examples=20, deadline=None)
def test_known_flow_still_leads_to_the_same_surface(name: str) -> None:
    relit = Relit(street(name), VOID)
    first, second = relit[0], relit[1]
    assert first.flow_to_next is not None
    assert first.labels is not None
    assert second.labels is not None
    motion = motion_between(first.image_rgb, second.image_rgb, first.flow_to_next, first.visible_in_next)
    scored = motion.valid & (first.labels != VOID) & (motion.bring_back(second.labels) != VOID)
    assert motion.valid.mean() > 0.3
    same = (motion.bring_back(second.labels) == first.labels)[scored].mean()
    plain = street()
    here, there = plain[0], plain[1]
    assert here.flow_to_next is not None
    before = motion_between(here.image_rgb, there.image_rgb, here.flow_to_next, here.visible_in_next)
    assert there.labels is not None
    assert here.labels is not None
    known = before.valid & (here.labels != VOID)
    assert same > (before.bring_back(there.labels) == here.labels)[known].mean() - 0.05


def test_light_is_the_clips_and_noise_the_frames() -> None:
    flat = ClipFrame(0, np.full((40, 60, 3), 128, np.uint8))
    relit = Relit(Named(_One(flat), "flat"), VOID)
    means = [relit[index].image_rgb.mean((0, 1)) for index in (0, 1)]
    assert np.abs(means[0] - 128).max() > 2
    assert np.abs(means[0] - means[1]).max() < 0.5
    assert not np.array_equal(relit[0].image_rgb, relit[1].image_rgb)
    assert (relit[0].labels, relit[0].flow_to_next, relit[0].visible_in_next) == (None, None, None)


def test_takes_are_one_clip_that_is_cut() -> None:
    still = MovedStill(ClipPart(DATASET.clips("train")[0], 1, 1))
    takes = Takes((still, Relit(still, VOID)))
    assert (len(takes), takes.labelled, takes.name) == (4, [0, 2], still.name)
    frames = [takes[index] for index in range(4)]
    assert [frame.index for frame in frames] == [0, 1, 2, 3]
    assert frames[1].visible_in_next is not None
    assert frames[0].visible_in_next is not None
    assert frames[2].visible_in_next is not None
    assert frames[0].visible_in_next.all()
    assert not frames[1].visible_in_next.any()
    assert frames[2].visible_in_next.mean() > 0.4
    for index in (-1, 4):
        with pytest.raises(IndexError):
            takes[index]
