"""Cameras, as far as a machine without one goes; the rest is in the source contract."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import pytest

from etc_edge.core.errors import SourceError
from etc_edge.frames.camera_source import CameraSource, open_camera
from etc_edge.frames.live_source import Gone
from tests.moving_square import write_video


def test_an_absent_camera_is_named_with_those_that_are_there() -> None:
    with pytest.raises(SourceError, match="Cameras here:"):
        open_camera("/dev/video987")
    with pytest.raises(SourceError, match="Did you mean 'size'"):
        open_camera("987?siez=720x1280")
    with pytest.raises(SourceError, match="size '720', expected HEIGHTxWIDTH"):
        open_camera("987?size=720")
    with pytest.raises(SourceError, match="fps='0', expected a number"):
        open_camera("987?fps=0")


def test_a_camera_that_delivers_nothing(tmp_path: Path) -> None:
    capture = cv2.VideoCapture(str(write_video(tmp_path / "a.mp4", 1)), cv2.CAP_FFMPEG)
    capture.read()
    with pytest.raises(SourceError, match="front, which cannot be opened: it delivers no more frames"):
        CameraSource("front", lambda: capture)
    assert not capture.isOpened()


def test_a_camera_that_goes_away_is_opened_again(tmp_path: Path) -> None:
    video, said, opened = str(write_video(tmp_path / "a.mp4", 4)), [], []

    def plugged_in() -> Any:
        opened.append(cv2.VideoCapture(video, cv2.CAP_FFMPEG))
        if len(opened) == 2:
            raise Gone("OpenCV cannot open it")
        return opened[-1]

    with CameraSource("front", plugged_in, 0.01, said.append) as source:
        frames = list(islice(source, 10))
    assert [frame.index for frame in frames] == list(range(10))
    times = [frame.timestamp_s for frame in frames]
    assert times == sorted(times)
    # The driver's clock is carried through.
    assert times[:4] == pytest.approx([times[0] + index / 25 for index in range(4)])
    assert source.reopened == 2
    assert [line.partition(";")[0] for line in said[:3]] == [
        "front is gone after 4 frames (it delivers no more frames)",
        "front is gone after 4 frames (OpenCV cannot open it)",
        "front is back",
    ]
    assert not any(capture.isOpened() for capture in (opened[0], *opened[2:]))
