"""Videos as data without labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from etc_edge.core.errors import DatasetError
from etc_edge.data.dataset import open_dataset
from etc_edge.data.sampling import listed_frames, sample_list
from tests.moving_square import picture, write_video


def test_a_file_is_one_clip(tmp_path: Path) -> None:
    dataset = open_dataset(write_video(tmp_path / "drive.mp4", 12))
    (clip,) = dataset.clips("train")
    assert (dataset.name, clip.name, len(clip), clip.fps, list(clip.labelled)) == ("drive", "drive", 12, 25, [])
    frame = clip[7]
    assert frame.labels is None
    assert np.abs(frame.image_rgb.astype(int) - picture(7)).mean() < 6, "the codec loses a little"
    assert len(list(listed_frames(dataset, sample_list(dataset, "train", 5)))) == 5


def test_a_folder_is_a_clip_a_file(tmp_path: Path) -> None:
    for name, frames in (("b.mkv", 3), ("a.mp4", 2)):
        write_video(tmp_path / name, frames)
    assert [(clip.name, len(clip)) for clip in open_dataset(tmp_path).clips("train")] == [("a", 2), ("b", 3)]


def test_what_is_refused(tmp_path: Path) -> None:
    dataset = open_dataset(write_video(tmp_path / "a.mp4", 2))
    with pytest.raises(DatasetError, match="no split 'val' in a, a video without labels"):
        dataset.clips("val")
    (tmp_path / "b.mp4").write_text("no video")
    with pytest.raises(DatasetError, match="no video that can be read"):
        open_dataset(tmp_path / "b.mp4").clips("train")
    write_video(tmp_path / "a.mkv", 2)
    with pytest.raises(DatasetError, match="two videos of one name"):
        open_dataset(tmp_path)
    with pytest.raises(IndexError):
        dataset.clips("train")[0][2]
