"""Plain folders, and how a data set's kind is found out."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from etc_edge.core.errors import DatasetError
from etc_edge.data.dataset import open_dataset
from tests.unit.data.stored_images import write_classes, write_image, write_labels


def test_stills_of_a_split(tmp_path: Path) -> None:
    write_classes(tmp_path)
    for name in ("b", "a"):
        write_image(tmp_path / "test" / "images" / f"{name}.jpg")
    write_labels(tmp_path / "test" / "labels" / "a.png")
    dataset = open_dataset(tmp_path)
    assert (dataset.name, dataset.splits) == (tmp_path.name, ("test",))
    assert [(clip.name, len(clip), list(clip.labelled)) for clip in dataset.clips("test")] == [
        ("a", 1, [0]),
        ("b", 1, []),
    ]


def test_subfolders_are_clips(tmp_path: Path) -> None:
    write_classes(tmp_path, more="fps: 30000/1001\n")
    for number in range(3):
        write_image(tmp_path / "images" / "drive" / f"{number:03}.png", red=number)
        write_labels(tmp_path / "labels" / "drive" / f"{number:03}.png")
    dataset = open_dataset(tmp_path)
    assert dataset.splits == ("all",)
    (clip,) = dataset.clips("all")
    assert (clip.name, len(clip), clip.fps) == ("drive", 3, Fraction(30000, 1001))
    assert [int(clip[index].image_rgb[0, 0, 0]) for index in range(3)] == [0, 1, 2]


def test_labels_without_an_image(tmp_path: Path) -> None:
    write_classes(tmp_path)
    write_image(tmp_path / "images" / "a.png")
    write_labels(tmp_path / "labels" / "other.png")
    with pytest.raises(DatasetError, match=r"other\.png without an image"):
        open_dataset(tmp_path).clips("all")


def test_no_list_of_classes(tmp_path: Path) -> None:
    write_image(tmp_path / "images" / "a.png")
    with pytest.raises(DatasetError, match=r"no classes\.yaml"):
        open_dataset(tmp_path)


@pytest.mark.parametrize("fps", ["0", "-1", "fast", "1/0"])
def test_an_impossible_frame_rate(fps: str, tmp_path: Path) -> None:
    write_classes(tmp_path, more=f"fps: {fps}\n")
    write_image(tmp_path / "images" / "a.png")
    with pytest.raises(DatasetError, match="fps"):
        open_dataset(tmp_path)


def test_no_frames(tmp_path: Path) -> None:
    write_classes(tmp_path)
    (tmp_path / "images" / "drive").mkdir(parents=True)
    with pytest.raises(DatasetError, match="frames of a clip"):
        open_dataset(tmp_path).clips("all")
    (tmp_path / "images" / "drive").rmdir()
    with pytest.raises(DatasetError, match="no images"):
        open_dataset(tmp_path).clips("all")


def test_what_is_no_data_set(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no data set at"):
        open_dataset(tmp_path / "none")
    with pytest.raises(DatasetError, match="none of: cityscapes, camvid, folder"):
        open_dataset(tmp_path)
    with pytest.raises(DatasetError, match="kind 'kitti'"):
        open_dataset(tmp_path, "kitti")
    write_image(tmp_path / "images" / "a.png")
    with pytest.raises(DatasetError, match="no images folder"):
        open_dataset(tmp_path / "images", "folder")
