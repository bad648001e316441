"""Frames and labels read from files."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from etc_edge.core.errors import DatasetError
from etc_edge.core.labels import LabelSet
from etc_edge.data.stored import StoredClip, StoredFrame, read_image_rgb, read_labels
from tests.unit.data.stored_images import write_image, write_labels

LABELS = LabelSet(("road", "car"), ((1, 1, 1), (2, 2, 2)))


def clip(folder: Path, **settings: object) -> StoredClip:
    return StoredClip("a", (StoredFrame(folder / "a.png", folder / "l.png"),), LABELS, **settings)  # type: ignore[arg-type]


def test_images_are_red_first(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", red=200)
    image = read_image_rgb(tmp_path / "a.png")
    assert image.shape == (12, 16, 3)
    assert image[0, 0].tolist() == [200, 0, 0]
    assert image.flags["C_CONTIGUOUS"]


def test_a_frame_with_labels(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png")
    write_labels(tmp_path / "l.png", value=1)
    frame = clip(tmp_path)[0]
    assert frame.labels is not None
    assert frame.labels.dtype == np.uint8
    assert (frame.labels == 1).all()
    assert (frame.flow_to_next, frame.visible_in_next) == (None, None)


def test_label_values_are_mapped(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png")
    write_labels(tmp_path / "l.png", value=7)
    mapping = tuple(0 if value == 7 else 255 for value in range(256))
    labels = clip(tmp_path, label_values=mapping)[0].labels
    assert labels is not None
    assert (labels == 0).all()


def test_labels_of_another_size(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", (12, 16))
    write_labels(tmp_path / "l.png", (12, 18))
    with pytest.raises(DatasetError, match=r"labels of 18×12.*image of 16×12"):
        clip(tmp_path)[0]


def test_a_value_outside_the_classes(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png")
    write_labels(tmp_path / "l.png", value=2)
    with pytest.raises(DatasetError, match=r"label value 2 in .*l\.png"):
        clip(tmp_path)[0]


def test_no_such_frame(tmp_path: Path) -> None:
    with pytest.raises(IndexError):
        clip(tmp_path)[1]


def test_a_clip_ends_when_it_is_iterated(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png")
    write_labels(tmp_path / "l.png")
    assert [frame.index for frame in clip(tmp_path)] == [0]  # type: ignore[attr-defined]


@pytest.mark.parametrize("content", [b"", b"no image"])
def test_damaged_files(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(content)
    for read in (read_image_rgb, read_labels):
        with pytest.raises(DatasetError, match=r"bad\.png"):
            read(tmp_path / "bad.png")


def test_missing_files(tmp_path: Path) -> None:
    for read in (read_image_rgb, read_labels):
        with pytest.raises(DatasetError, match=r"none\.png"):
            read(tmp_path / "none.png")


def test_coloured_labels_are_refused_and_grey_ones_taken(tmp_path: Path) -> None:
    colours = np.zeros((4, 4, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "grey.png"), colours + 1)
    assert (read_labels(tmp_path / "grey.png") == 1).all()
    colours[..., 1] = 9
    cv2.imwrite(str(tmp_path / "colour.png"), colours)
    with pytest.raises(DatasetError, match="expected one 8-bit channel"):
        read_labels(tmp_path / "colour.png")


def test_sixteen_bits_are_refused(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "deep.png"), np.full((4, 4), 300, np.uint16))
    with pytest.raises(DatasetError, match="uint16"):
        read_labels(tmp_path / "deep.png")
