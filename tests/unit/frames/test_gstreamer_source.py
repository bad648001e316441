"""Pipelines that really run, live ones and others; what is wrong with one is said in GStreamer's words."""

from __future__ import annotations

import sys
import threading
import time
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from etc_edge.core.errors import DependencyError, SourceError
from etc_edge.frames.gstreamer_source import GStreamerSource, csi_pipeline, load_gstreamer
from etc_edge.frames.source import open_source
from tests import system_gstreamer
from tests.moving_square import SIZE_HW, picture, write_video

pytestmark = system_gstreamer.quiet


@pytest.fixture(autouse=True)
def _gstreamer() -> None:
    system_gstreamer.needed()


def test_a_file_through_a_pipeline_loses_no_frame_and_keeps_its_pictures(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", 12)
    with open_source(f"gst://filesrc location={path} ! decodebin") as source:
        assert (source.live, source.fps, source.size_hw) == (False, Fraction(25), SIZE_HW)
        frames = []
        for frame in source:
            frames.append(frame)
            time.sleep(0.01)
    assert [frame.timestamp_s for frame in frames] == pytest.approx([index / 25 for index in range(12)])
    for frame in frames:
        assert np.abs(frame.image_rgb.astype(int) - picture(frame.index)).mean() < 6


def test_rows_of_odd_lengths_come_whole() -> None:
    with open_source("gst://videotestsrc num-buffers=2 pattern=blue ! video/x-raw,width=63,height=47") as source:
        image = next(iter(source)).image_rgb
    assert image.shape == (47, 63, 3)
    assert (image == (0, 0, 255)).all()


def test_of_what_is_live_the_newest_comes() -> None:
    spec = "gst://videotestsrc is-live=true ! video/x-raw,width=64,height=48,framerate=100/1"
    with open_source(spec) as source:
        assert source.live
        frames = iter(source)
        next(frames)
        next(frames)
        time.sleep(0.3)
        late = list(islice(frames, 3))
    # One may have waited; those behind it are new.
    assert late[-1].timestamp_s > 0.3


def test_a_live_pipeline_that_ends_is_started_again() -> None:
    said: list[str] = []
    pipeline = "videotestsrc is-live=true num-buffers=5 ! video/x-raw,framerate=100/1,width=64,height=48"
    with GStreamerSource("test", pipeline, least_pause_s=0.01, told=said.append) as source:
        frames = list(islice(source, 12))
    assert [frame.index for frame in frames] == list(range(12))
    times = [frame.timestamp_s for frame in frames]
    assert times == sorted(times)
    assert source.reopened >= 2
    assert said[1] == "test is back"


def test_a_live_pipeline_that_falls_silent_is_gone() -> None:
    pipeline = "videotestsrc is-live=true ! video/x-raw,framerate=50/1,width=64,height=48 ! identity drop-probability=1"
    begun = time.monotonic()
    with pytest.raises(SourceError, match="it gave nothing for 0.3 s"):
        GStreamerSource("test", pipeline, silence_s=0.3)
    assert time.monotonic() - begun < 5


def test_closing_ends_a_pipeline_that_waits() -> None:
    spec = "gst://videotestsrc is-live=true ! video/x-raw,framerate=1/2,width=64,height=48"
    source = open_source(spec)
    reader = threading.Thread(target=lambda: list(source))
    reader.start()
    time.sleep(0.2)
    source.close()
    reader.join(5)
    assert not reader.is_alive()


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("gst://nosuchelement", 'cannot be opened: no element "nosuchelement"'),
        ("gst://filesrc location=/nowhere ! decodebin", "filesrc[0-9]+: Resource not found"),
        ("gst://videotestsrc num-buffers=0", "Found no frames"),
        ("gst://", "expected a pipeline behind gst://"),
        ("csi://front", "expected such as csi://0"),
        ("csi://0?flip=9", "a flip from 0 to 7"),
        ("csi://0?turn=1", "Found the setting 'turn'"),
        ("csi://0", "nvarguscamerasrc"),
    ],
)
def test_what_cannot_be_opened(spec: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        open_source(spec)


def test_an_error_in_the_middle_of_a_file_comes_after_its_frames(tmp_path: Path) -> None:
    spec = "gst://videotestsrc num-buffers=20 ! video/x-raw,width=64,height=48 ! identity error-after=9"
    seen = []
    with open_source(spec) as source, pytest.raises(SourceError, match="after [4-8] frames: identity"):
        seen.extend(source)


def test_the_pipeline_of_a_csi_camera() -> None:
    assert csi_pipeline("csi://1", {"size": "1080x1920", "fps": "30000/1001", "flip": "2"}) == (
        "nvarguscamerasrc sensor-id=1 ! video/x-raw(memory:NVMM),width=1920,height=1080,framerate=30000/1001 ! "
        "nvvidconv flip-method=2 ! video/x-raw,format=BGRx"
    )


def test_without_pygobject_the_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gi", None)
    with pytest.raises(DependencyError, match="apt install python3-gi"):
        load_gstreamer()
