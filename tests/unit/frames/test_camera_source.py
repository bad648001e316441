"""Cameras, as far as a machine without one goes; the rest is in the source contract."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from etc_edge.core.errors import SourceError
from etc_edge.frames.camera_source import CameraSource, open_camera
from tests.moving_square import write_video


def test_an_absent_camera_is_named_with_those_that_are_there() -> None:
    with pytest.raises(SourceError, match="Cameras here:"):
        open_camera("/dev/video987")


def test_a_camera_that_delivers_nothing(tmp_path: Path) -> None:
    capture = cv2.VideoCapture(str(write_video(tmp_path / "a.mp4", 1)), cv2.CAP_FFMPEG)
    capture.read()
    with pytest.raises(SourceError, match="delivers no frames"):
        CameraSource("front", capture)
    assert not capture.isOpened()


def test_a_camera_that_goes_away_is_an_error(tmp_path: Path) -> None:
    capture = cv2.VideoCapture(str(write_video(tmp_path / "a.mp4", 4)), cv2.CAP_FFMPEG)
    with CameraSource("front", capture) as source, pytest.raises(SourceError, match="after 3"):
        list(source)
    assert not capture.isOpened()
