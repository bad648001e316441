"""Folders, globs and files of images."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from etc_edge.core.errors import SourceError
from etc_edge.frames.image_source import natural_order, open_images
from tests.moving_square import picture


def test_natural_order() -> None:
    names = ["a10.png", "a9.png", "A1.png", "b.png", "a9b2.png", "a9b10.png"]
    ordered = sorted((Path(name) for name in names), key=natural_order)
    assert [path.name for path in ordered] == ["A1.png", "a9.png", "a9b2.png", "a9b10.png", "a10.png", "b.png"]


def test_a_folder_gives_its_images_and_nothing_else(tmp_path: Path) -> None:
    for index in (10, 9, 1):
        cv2.imwrite(str(tmp_path / f"{index}.png"), picture(index)[..., ::-1])
    (tmp_path / "notes.txt").write_text("no image")
    with open_images(str(tmp_path)) as source:
        frames = list(source)
    assert source.frame_count == 3
    for frame, index in zip(frames, (1, 9, 10), strict=True):
        np.testing.assert_array_equal(frame.image_rgb, picture(index))


def test_a_glob_may_go_deep(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "a" / "b" / "1.png"), picture(0))
    assert open_images(str(tmp_path / "**" / "*.png")).frame_count == 1


def test_images_may_differ_in_size(tmp_path: Path) -> None:
    for index, size in enumerate(((20, 30), (40, 50))):
        cv2.imwrite(str(tmp_path / f"{index}.png"), picture(0, size))
    with open_images(str(tmp_path)) as source:
        assert source.size_hw == (20, 30)
        assert [frame.image_rgb.shape[:2] for frame in source] == [(20, 30), (40, 50)]


def test_grey_and_16_bit_and_alpha_become_rgb(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "1.png"), np.full((8, 8), 77, np.uint8))
    cv2.imwrite(str(tmp_path / "2.png"), np.full((8, 8, 4), 77, np.uint8))
    cv2.imwrite(str(tmp_path / "3.png"), np.full((8, 8, 3), 77 << 8, np.uint16))
    with open_images(str(tmp_path)) as source:
        assert all((frame.image_rgb == 77).all() and frame.image_rgb.shape == (8, 8, 3) for frame in source)


def test_damaged_images_are_named(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "1.png"), picture(0))
    (tmp_path / "2.png").write_bytes((tmp_path / "1.png").read_bytes()[:50])
    (tmp_path / "3.png").write_bytes(b"")
    with open_images(str(tmp_path)) as source, pytest.raises(SourceError, match=r"2\.png"):
        list(source)
    with pytest.raises(SourceError, match=r"3\.png"):
        open_images(str(tmp_path / "3.png"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="Found no images"):
        open_images(str(tmp_path / "empty"))
