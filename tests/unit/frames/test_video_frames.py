"""Frames of a video by number against the same frames read in order."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from etc_edge.core.errors import SourceError
from etc_edge.frames.source import open_source
from etc_edge.frames.video_frames import KEPT, open_video_frames
from tests.moving_square import SIZE_HW, write_video


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_any_order_gives_what_reading_in_order_gives(suffix: str, tmp_path: Path) -> None:
    path = write_video(tmp_path / f"a{suffix}", 40, Fraction(30000, 1001))
    with open_source(path) as source:
        expected = [frame.image_rgb for frame in source]
    frames = open_video_frames(path)
    assert len(frames) == len(expected) == 40
    for index in (17, 16, 39, 0, 1, 20, 38, 5, 39):
        assert np.array_equal(frames[index], expected[index]), index
    assert frames[3].shape == (*SIZE_HW, 3)
    assert len(frames._kept) <= 2 * KEPT
    with pytest.raises(IndexError):
        frames[40]


def test_what_is_no_video(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("no video")
    with pytest.raises(SourceError, match="no video that can be read"):
        open_video_frames(tmp_path / "a.mp4")
