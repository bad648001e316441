"""Which source a text means."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from etc_edge.core.errors import SourceError
from etc_edge.frames.image_source import ImageSource
from etc_edge.frames.source import open_source
from etc_edge.frames.street_source import StreetSource
from etc_edge.frames.video_source import VideoSource
from tests.moving_square import picture, write_video


def test_paths_and_schemes(tmp_path: Path) -> None:
    video = write_video(tmp_path / "clip.mp4", 2)
    for index in (0, 1):
        cv2.imwrite(str(tmp_path / f"{index}.jpg"), picture(index))
    for spec in (video, str(video), f"video:{video}"):
        assert isinstance(open_source(spec), VideoSource)
    for spec in (tmp_path, tmp_path / "*.jpg", tmp_path / "0.jpg", f"images:{tmp_path}"):
        assert isinstance(open_source(spec), ImageSource)
    assert isinstance(open_source("synthetic:street"), StreetSource)


def test_a_file_whose_name_has_a_colon_or_a_star_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "plain.mp4", 2).rename("rtsp:1*.mp4")
    assert isinstance(open_source("rtsp:1*.mp4"), VideoSource)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("absent.mp4", "Found no video absent.mp4"),
        ("absent/*.png", "Found no images at absent"),
        ("synthetik:street", "Did you mean 'synthetic'"),
        ("synthetic:street?frames=0", "at least 1"),
        ("gopher://camera/1", "with the scheme 'gopher'"),
        ("camera:front", "expected a number such as 0"),
        ("/dev/video987", "Found no camera /dev/video987"),
        ("987", "Found no camera /dev/video987"),
    ],
)
def test_what_is_not_there_is_said(spec: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError, match=message):
        open_source(spec)
