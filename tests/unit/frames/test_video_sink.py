"""Videos: exact rates, odd sizes, and disks that fill up."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from etc_edge.core.errors import SinkError
from etc_edge.frames.frame import Frame, SegmentedFrame
from etc_edge.frames.source import open_source
from etc_edge.frames.video_sink import VideoSink
from tests.moving_square import picture, result


def plain(shown):  # type: ignore[no-untyped-def]
    return shown.frame.image_rgb


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("rate", [Fraction(30000, 1001), Fraction(25, 2)])
def test_rate_and_pictures_come_back(suffix: str, rate: Fraction, tmp_path: Path) -> None:
    path = tmp_path / f"out{suffix}"
    with VideoSink(path, rate, plain) as sink:
        for index in range(12):
            sink.write(result(index))
    with open_source(path) as source:
        # Matroska keeps times in whole milliseconds.
        assert source.fps is not None
        assert float(source.fps) == pytest.approx(float(rate), rel=1e-3)
        assert suffix == ".mkv" or source.fps == rate
        frames = list(source)
    assert len(frames) == 12
    for frame in frames:
        assert np.abs(frame.image_rgb.astype(int) - picture(frame.index)).mean() < 6


@pytest.mark.parametrize("size", [(47, 63), (48, 63), (47, 64), (1, 1), (17, 90)])
def test_odd_sizes_gain_a_row_or_a_column(size: tuple[int, int], tmp_path: Path) -> None:
    with VideoSink(tmp_path / "out.mp4", Fraction(25), plain, crf=8) as sink:
        shown = result(0, (48, 64))
        odd = np.ascontiguousarray(shown.frame.image_rgb[: size[0], : size[1]])
        if size == (17, 90):
            odd = np.zeros((17, 90, 3), np.uint8)
        sink.write(type(shown)(type(shown.frame)(odd, 0, 0.0), shown.labels, 1.0))
    with open_source(tmp_path / "out.mp4") as source:
        assert source.size_hw == (size[0] + size[0] % 2, size[1] + size[1] % 2)
        found = next(iter(source)).image_rgb
    assert np.abs(found[: size[0], : size[1]].astype(int) - odd).mean() < 12


def test_large_pictures_keep_their_colours(tmp_path: Path) -> None:
    with VideoSink(tmp_path / "out.mp4", Fraction(25), plain) as sink:
        sink.write(result(0, (720, 1280)))
    with open_source(tmp_path / "out.mp4") as source:
        found = next(iter(source)).image_rgb
    assert np.abs(found.astype(int) - picture(0, (720, 1280))).mean() < 2


def test_frames_that_change_size_are_fitted_to_the_first(tmp_path: Path) -> None:
    with VideoSink(tmp_path / "out.mp4", Fraction(25), plain) as sink:
        for size in ((48, 64), (96, 128), (30, 40)):
            sink.write(result(0, size))
    with open_source(tmp_path / "out.mp4") as source:
        assert [frame.image_rgb.shape for frame in source] == [(48, 64, 3)] * 3


def test_without_frames_there_is_no_file(tmp_path: Path) -> None:
    with VideoSink(tmp_path / "out.mp4", Fraction(25), plain):
        pass
    assert list(tmp_path.iterdir()) == []


def test_aborting_keeps_the_video_that_stood_there(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    path.write_bytes(b"an older video")
    sink = VideoSink(path, Fraction(25), plain)
    sink.write(result(0))
    sink.abort()
    sink.close()
    assert path.read_bytes() == b"an older video"
    assert list(tmp_path.iterdir()) == [path]


def test_other_suffixes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match=r"ends in \.mp4"):
        VideoSink(tmp_path / "out.avi", Fraction(25), plain)


FILL = """
import resource, sys
from fractions import Fraction
from pathlib import Path
import av
import numpy as np
from etc_edge.core.errors import SinkError
from etc_edge.frames.frame import Frame, SegmentedFrame
from etc_edge.frames.video_sink import VideoSink
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
rng = np.random.default_rng(0)
try:
    with VideoSink(Path(sys.argv[1]), Fraction(25), lambda shown: shown.frame.image_rgb, crf=1) as sink:
        for index in range(60):
            noise = rng.integers(0, 255, (96, 128, 3)).astype(np.uint8)
            sink.write(SegmentedFrame(Frame(noise, index, 0.0), noise[..., 0], 1.0))
except SinkError as error:
    print(error)
"""


def test_a_disk_that_fills_up_leaves_nothing(tmp_path: Path) -> None:
    # A limit on the size of files fails in the same place as a full disk does.
    run = [sys.executable, "-c", FILL, str(tmp_path / "out.mp4")]
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    assert "is full; nothing was written to out.mp4" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_what_is_live_plays_at_the_speed_at_which_it_came(suffix: str, tmp_path: Path) -> None:
    path, times_s = tmp_path / f"out{suffix}", [7.0, 7.04, 7.2, 7.2, 8.5, 8.513]
    with VideoSink(path, Fraction(25), plain, timed=True) as sink:
        for index, time_s in enumerate(times_s):
            shown = result(index)
            sink.write(SegmentedFrame(Frame(shown.frame.image_rgb, index, time_s), shown.labels, 1.0))
    with av.open(str(path)) as container:
        found = [frame.time for frame in container.decode(video=0)]
    # Two frames of one time are shown a millisecond apart.
    assert found == pytest.approx([0, 0.04, 0.2, 0.201, 1.5, 1.513], abs=1e-4)
