"""Video files: exact rates, turned pictures, and files that are damaged in every way."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from etc_edge.core.errors import SourceError
from etc_edge.frames.source import open_source
from tests.architecture.package_files import REPOSITORY
from tests.moving_square import SIZE_HW, picture, write_video


@pytest.mark.parametrize("rate", [Fraction(25), Fraction(30000, 1001), Fraction(15, 2)])
def test_rates_are_exact(rate: Fraction, tmp_path: Path) -> None:
    with open_source(write_video(tmp_path / "a.mp4", 9, rate)) as source:
        assert source.fps == rate
        assert [frame.timestamp_s for frame in source] == pytest.approx([float(i / rate) for i in range(9)], abs=1e-4)


def test_pictures_come_red_first(tmp_path: Path) -> None:
    with open_source(write_video(tmp_path / "a.mp4", 3)) as source:
        for frame in source:
            assert np.abs(frame.image_rgb.astype(int) - picture(frame.index)).mean() < 8


def test_containers_that_do_not_count_their_frames(tmp_path: Path) -> None:
    with open_source(write_video(tmp_path / "a.mkv", 5)) as source:
        assert source.frame_count is None
        assert len(list(source)) == 5


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_camera_that_was_held_askew_is_set_upright(turns: int, tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", 2)
    upright = next(iter(open_source(path))).image_rgb
    # The matrix of a QuickTime track header, clockwise by a quarter turn each (ISO 14496-12, 8.3.2).
    cos, sin = [(0, 1), (-1, 0), (0, -1)][turns - 1]
    matrix = struct.pack(">9i", cos << 16, sin << 16, 0, -sin << 16, cos << 16, 0, 0, 0, 1 << 30)
    data = bytearray(path.read_bytes())
    place = data.index(b"tkhd") + 4 + 40
    data[place : place + 36] = matrix
    path.write_bytes(bytes(data))
    with open_source(path) as source:
        assert source.size_hw == (SIZE_HW if turns == 2 else SIZE_HW[::-1])
        np.testing.assert_array_equal(next(iter(source)).image_rgb, np.rot90(upright, -turns))


def test_what_is_no_video(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.mp4", 30).read_bytes()
    matroska = write_video(tmp_path / "whole.mkv", 30).read_bytes()
    damaged = {
        "empty.mp4": b"",
        "text.mp4": b"not a video at all " * 500,
        "random.mp4": np.random.default_rng(0).bytes(20_000),
        "no-index.mp4": whole[: len(whole) // 2],
        "no-frames.mkv": matroska[: matroska.index(bytes.fromhex("1f43b675"))],
    }
    for name, data in damaged.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(SourceError, match=name):
            open_source(tmp_path / name)
    with pytest.raises(SourceError, match="which is no file"):
        open_source(f"video:{tmp_path}")


def test_sound_without_pictures_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sound.wav").write_bytes(
        b"RIFF" + struct.pack("<I", 2036) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 16000, 2, 16)
        + b"data" + struct.pack("<I", 2000) + bytes(2000)
    )  # fmt: skip
    with pytest.raises(SourceError, match="no video stream"):
        open_source(tmp_path / "sound.wav")


def test_a_file_that_was_cut_short_gives_what_it_has_and_then_an_error(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", 60, codec="mpeg4")
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 4])
    given: list[int] = []
    with open_source(path) as source, pytest.raises(SourceError, match=r"expected the 60 .* cut short"):
        given.extend(frame.index for frame in source)
    assert given == list(range(len(given)))
    assert 10 < len(given) < 50


def test_a_container_that_counts_no_frames_is_held_to_its_length(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", 100)
    assert sum(1 for _ in open_source(path)) == 100
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with open_source(path) as source, pytest.raises(SourceError, match=r"expected the 4\.0 that it announces"):
        list(source)


def test_flipped_bits_never_crash(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "a.mp4", 30).read_bytes()
    rng = np.random.default_rng(1)
    for attempt in range(25):
        data = bytearray(whole)
        for place in rng.integers(0, len(data), 12):
            data[place] ^= 1 << int(rng.integers(8))
        path = tmp_path / f"{attempt}.mp4"
        path.write_bytes(bytes(data))
        with suppress(SourceError), open_source(path) as source:
            assert sum(1 for _ in source) <= 200


def test_hundreds_of_corrupted_files_end_in_frames_or_in_an_error_of_ours() -> None:
    """In a process of its own, so that a crash would be seen; `tests/corrupted_videos.py` says how to do more."""
    command = [sys.executable, "-m", "tests.corrupted_videos", "240"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    assert found["read"] + found.get("damaged", 0) + found.get("refused", 0) == found["files"] == 240
    assert found["frames"] > 1000
