"""What every source does: one abstract test, one subclass a source."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from etc_edge.core.errors import SourceError
from etc_edge.frames.camera_source import CameraSource
from etc_edge.frames.source import SCHEMES, Source, open_source
from tests import system_gstreamer
from tests.live_servers import SERVERS, LiveServer
from tests.moving_square import SIZE_HW, picture, write_video


class SourceContract:
    """Hold a source to the protocol."""

    scheme: str
    size_hw = SIZE_HW
    fps: Fraction | None = Fraction(25)
    frame_count: int | None = 6
    frames_given = 6
    live = False

    def open(self, folder: Path) -> Source:
        raise NotImplementedError

    def test_says_what_it_is(self, tmp_path: Path) -> None:
        with self.open(tmp_path) as source:
            assert source.size_hw == self.size_hw
            assert source.fps == self.fps
            assert source.frame_count == self.frame_count
            assert source.live is self.live
            assert source.name

    def test_gives_frames_in_order(self, tmp_path: Path) -> None:
        with self.open(tmp_path) as source:
            frames = []
            try:
                # What is live may never end.
                frames.extend(islice(source, 8))
            except SourceError:
                assert self.live, "only what is live may end in an error"
        assert len(frames) == self.frames_given or self.live
        assert [frame.index for frame in frames] == list(range(len(frames)))
        times = [frame.timestamp_s for frame in frames]
        assert times[0] == pytest.approx(0, abs=0.5 if self.live else 0)
        assert times == sorted(times)
        for frame in frames:
            assert frame.image_rgb.shape == (*self.size_hw, 3)
            assert frame.image_rgb.dtype == np.uint8
            assert frame.image_rgb.flags.c_contiguous

    def test_begins_anew_each_time(self, tmp_path: Path) -> None:
        if self.live:
            pytest.skip("what is live passes once")
        with self.open(tmp_path) as source:
            once, again = (np.stack([frame.image_rgb for frame in source]) for _ in range(2))
        np.testing.assert_array_equal(once, again)

    def test_frames_are_not_written_over(self, tmp_path: Path) -> None:
        with self.open(tmp_path) as source:
            frames = iter(source)
            first = next(frames)
            kept = first.image_rgb.copy()
            next(frames)
            np.testing.assert_array_equal(first.image_rgb, kept)

    def test_closing_ends_an_iteration(self, tmp_path: Path) -> None:
        source = self.open(tmp_path)
        frames = iter(source)
        next(frames)
        source.close()
        source.close()
        assert list(frames) == []


class TestVideo(SourceContract):
    scheme = "video"

    def open(self, folder: Path) -> Source:
        return open_source(write_video(folder / "a.mp4", 6))


class TestImages(SourceContract):
    scheme, fps = "images", None

    def open(self, folder: Path) -> Source:
        for index in range(6):
            cv2.imwrite(str(folder / f"{index}.png"), picture(index)[..., ::-1])
        return open_source(folder)


class TestStreet(SourceContract):
    scheme, size_hw, fps = "synthetic", (40, 56), Fraction(30000, 1001)

    def open(self, folder: Path) -> Source:
        return open_source("synthetic:street?size=40x56&frames=6&fps=30000/1001&seed=1")


class TestCamera(SourceContract):
    """On a file in the camera's stead: the same capture, without the device."""

    scheme, frame_count, live = "camera", None, True

    def open(self, folder: Path) -> Source:
        video = str(write_video(folder / "a.mp4", 8))
        return CameraSource("camera", lambda: cv2.VideoCapture(video, cv2.CAP_FFMPEG))


@system_gstreamer.quiet
class TestGStreamer(SourceContract):
    scheme, frame_count = "gst", None

    def open(self, folder: Path) -> Source:
        system_gstreamer.needed()
        return open_source("gst://videotestsrc num-buffers=6 ! video/x-raw,width=64,height=48,framerate=25/1")


class NetworkContract(SourceContract):
    """What comes over the network from a server of the test's."""

    frame_count, live = None, True
    server: LiveServer

    @pytest.fixture(autouse=True)
    def _served(self) -> Iterator[None]:
        self.server = SERVERS[self.scheme]()
        yield
        self.server.kill()

    def open(self, folder: Path) -> Source:
        return open_source(self.server.address)


class TestRtsp(NetworkContract):
    scheme = "rtsp"


class TestHttp(NetworkContract):
    scheme, fps = "http", None


class TestTcp(NetworkContract):
    scheme = "tcp"


class TestUdp(NetworkContract):
    scheme = "udp"


def test_every_scheme_is_held_to_the_contract() -> None:
    kinds = [*SourceContract.__subclasses__(), *NetworkContract.__subclasses__()]
    held = {kind.scheme for kind in kinds if kind is not NetworkContract}
    # Encrypted HTTP differs in nothing but its address, and a CSI camera is a pipeline.
    assert held | {"https", "csi"} == set(SCHEMES.names())
