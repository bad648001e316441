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
            # As a container of whole milliseconds gives them.
            shown = Frame(picture(index), index, round(float(index / rate), 3))
            sink.write(SegmentedFrame(shown, shown.image_rgb[..., 0], 1.0))
    with open_source(path) as source:
        # Matroska keeps times in whole milliseconds.
        assert source.fps is not None
        assert float(source.fps) == pytest.approx(float(rate), rel=1e-3)
        assert suffix == ".mkv" or source.fps == rate
        frames = list(source)
    assert len(frames) == 12
    for frame in frames:
        assert np.abs(frame.image_rgb.astype(int) - picture(frame.index)).mean() < 6


@pytest.mark.parametrize("size", [(47, 63), (48, 63), (47, 64), (1, 1), (17, 90), (46, 64)])
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


def test_a_quantizer_is_kept_to_unless_a_quality_is_asked_for(tmp_path: Path) -> None:
    """x264 writes its settings into the stream."""
    for name, options, said in (("qp.mp4", {"qp": 30}, b"rc=cqp"), ("crf.mp4", {"crf": 30}, b"rc=crf")):
        with VideoSink(tmp_path / name, Fraction(25), plain, **options) as sink:
            sink.write(result(0))
        assert said in (tmp_path / name).read_bytes()


@pytest.mark.parametrize("size", [(48, 64), (46, 64)])
def test_no_picture_is_written_over_before_it_is_encoded(size: tuple[int, int], tmp_path: Path) -> None:
    """Every picture of one grey, and an encoder that looks at many before it writes one."""
    with VideoSink(tmp_path / "out.mp4", Fraction(25), plain, preset="veryslow", qp=8, threads=4) as sink:
        for index in range(60):
            shown = result(index, size)
            grey = np.full_like(shown.frame.image_rgb, 4 * index)
            sink.write(type(shown)(type(shown.frame)(grey, index, index / 25), shown.labels, 1.0))
    with open_source(tmp_path / "out.mp4") as source:
        levels = [float(frame.image_rgb.mean()) for frame in source]
    assert levels == pytest.approx([4 * index for index in range(60)], abs=2)


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


def with_sound(path: Path, codec: str = "aac", frames: int = 30) -> Path:
    """A video at 29.97 frames a second whose sound, a tone, begins with it and lasts half a second longer."""
    rate, samples = Fraction(30000, 1001), 16000
    with av.open(str(path), "w") as container:
        pictures, tone = container.add_stream("libx264", rate=rate), container.add_stream(codec, rate=samples)
        pictures.height, pictures.width, pictures.pix_fmt = 48, 64, "yuv420p"
        tone.layout, tone.bit_rate = "mono", 64_000
        for index in range(frames):
            container.mux(pictures.encode(av.VideoFrame.from_ndarray(picture(index), format="rgb24")))
        container.mux(pictures.encode(None))
        wave = np.sin(np.arange(round((frames / rate + Fraction(1, 2)) * samples)) * 0.1).astype(np.float32)
        sound = av.AudioFrame.from_ndarray(wave[None], format="fltp", layout="mono")
        sound.sample_rate, sound.pts = samples, 0
        resampler = av.AudioResampler(tone.codec_context.format, "mono", samples, tone.codec_context.frame_size or 1024)
        for part in (*resampler.resample(sound), *resampler.resample(None)):
            container.mux(tone.encode(part))
        container.mux(tone.encode(None))
    return path


def sound_of(path: Path) -> list[tuple[bytes, float]]:
    with av.open(str(path)) as container:
        return [
            (bytes(packet), float(packet.pts * packet.time_base)) for packet in container.demux(audio=0) if packet.size
        ]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_sound_goes_with_the_pictures_untouched(suffix: str, tmp_path: Path) -> None:
    source, out = with_sound(tmp_path / "in.mp4"), tmp_path / f"out{suffix}"
    with open_source(source) as frames, VideoSink(out, frames.fps, plain, sound=source) as sink:
        for frame in frames:
            sink.write(SegmentedFrame(frame, frame.image_rgb[..., 0], 1.0))
    before, after = sound_of(source), sound_of(out)
    # Sound ends with the pictures.
    assert len(before) > len(after) > 10
    assert [data for data, _ in after] == [data for data, _ in before[: len(after)]]
    # Matroska does without times before the first picture and keeps whole milliseconds.
    shift = after[0][1] - before[0][1] if suffix == ".mkv" else 0
    assert abs(shift) < 0.07
    assert [at for _, at in after] == pytest.approx([at + shift for _, at in before[: len(after)]], abs=2e-3)
    assert after[-1][1] - shift < 30 * 1001 / 30000
    with open_source(out) as source_again:
        assert len(list(source_again)) == 30


def test_sound_that_a_file_cannot_hold_is_one_line(tmp_path: Path) -> None:
    source = with_sound(tmp_path / "in.avi", "wmav2")
    sink = VideoSink(tmp_path / "out.mp4", Fraction(25), plain, sound=source)
    with pytest.raises(SinkError, match=r"codec wmav2 in .*, which a \.mp4 file cannot hold. Choose .*\.mkv"):
        sink.write(result(0))
    assert [path.name for path in tmp_path.iterdir()] == ["in.avi"]


def test_frames_of_a_file_that_keep_no_rate_keep_their_times(tmp_path: Path) -> None:
    times_s = [0, 0.04, 0.12, 0.1355, 0.4]
    with VideoSink(tmp_path / "out.mp4", Fraction(25), plain) as sink:
        for index, time_s in enumerate(times_s):
            sink.write(SegmentedFrame(Frame(picture(index), index, time_s), picture(index)[..., 0], 1.0))
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert [frame.time for frame in container.decode(video=0)] == pytest.approx(times_s, abs=1e-4)
