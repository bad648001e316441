"""Running a real engine on real files, into every output; what goes wrong leaves nothing half-written."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import av
import cv2
import msgspec
import numpy as np
import pytest

from etc_edge.core.bundle import Bundle
from etc_edge.core.environment import available_cores
from etc_edge.core.errors import BundleError, EtcEdgeError, SinkError, SourceError
from etc_edge.core.progress import PlainLines
from etc_edge.runtime.crew import AT_MOST
from etc_edge.runtime.segmenter import Segmenter
from etc_edge.stages.compile import compile_bundle
from etc_edge.stages.run import Outputs, run
from tests.live_servers import LiveServer, transport_stream
from tests.tiny_bundle import color_frame, write_tiny_bundle
from tests.unit.frames.test_stream_sink import Receiver, frames_of

BACKEND = "onnxruntime"
FRAMES = 20
FPS = Fraction(30000, 1001)
STAGES = ["decode", "preprocess", "infer", "postprocess", "latency"]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_tiny_bundle(tmp_path_factory.mktemp("bundle") / "colors.etc")


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty frames of coloured bars, 64×96, at 29.97 frames per second."""
    path = tmp_path_factory.mktemp("video") / "bars.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"crf": "10"})
        stream.height, stream.width, stream.pix_fmt = 64, 96, "yuv420p"
        for index in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(color_frame(index // 5, (64, 96)), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def decoded(path: Path) -> tuple[int, Fraction | None, tuple[int, int]]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = sum(1 for _ in container.decode(stream))
        return frames, stream.average_rate, (stream.height, stream.width)


def test_every_output_holds_every_frame(bundle: Bundle, video: Path, tmp_path: Path) -> None:
    outputs = Outputs(tmp_path / "out.mp4", tmp_path / "labels", tmp_path / "out.jsonl")
    report = run(bundle.path, str(video), outputs, BACKEND, threads=1)
    assert report.model == "colors"
    assert report.backend.startswith("onnxruntime ")
    assert (report.frames, report.threads) == (FRAMES, 1)
    assert report.fps == pytest.approx(FRAMES / report.seconds)
    assert list(report.stages_ms) == [
        "decode",
        "preprocess",
        "infer",
        "postprocess",
        "latency",
        "video",
        "labels",
        "json",
    ]
    assert decoded(tmp_path / "out.mp4") == (FRAMES, FPS, (64, 96))
    lines = [msgspec.json.decode(line) for line in (tmp_path / "out.jsonl").read_bytes().splitlines()]
    assert [line["index"] for line in lines] == list(range(FRAMES))
    with Segmenter.load(bundle, BACKEND, threads=1) as segmenter:
        for result in segmenter.stream(str(video)):
            written = cv2.imread(str(tmp_path / "labels" / f"{result.index:06d}.png"), cv2.IMREAD_UNCHANGED)
            np.testing.assert_array_equal(written, result.labels)


@pytest.mark.parametrize(("threads", "at_once", "each"), [(2, None, 2), (2, 2, 1), (3, 2, 2), (1, 4, 1)])
def test_frames_labelled_at_the_same_time_are_labelled_alike(
    bundle: Bundle, video: Path, tmp_path: Path, threads: int, at_once: int | None, each: int
) -> None:
    outputs = Outputs(labels=tmp_path / "labels", json=tmp_path / "out.jsonl")
    report = run(bundle.path, str(video), outputs, BACKEND, threads=threads, at_once=at_once)
    assert report.frames == FRAMES
    assert report.threads == each
    assert report.at_once == min(threads, at_once or 1)
    lines = [msgspec.json.decode(line) for line in (tmp_path / "out.jsonl").read_bytes().splitlines()]
    assert [line["index"] for line in lines] == list(range(FRAMES))
    with Segmenter.load(bundle, BACKEND, threads=1) as segmenter:
        for result in segmenter.stream(str(video)):
            written = cv2.imread(str(tmp_path / "labels" / f"{result.index:06d}.png"), cv2.IMREAD_UNCHANGED)
            np.testing.assert_array_equal(written, result.labels)


def test_files_take_all_cores_and_one_frame_takes_one_engine(bundle: Bundle, video: Path) -> None:
    cores = available_cores()
    report = run(bundle.path, str(video), target=BACKEND)
    assert report.at_once == min(AT_MOST, cores)
    report = run(bundle.path, str(video), target=BACKEND, frames=1)
    assert (report.at_once, report.threads) == (1, cores)


def test_sources_share_the_network_and_have_outputs_of_their_own(bundle: Bundle, video: Path, tmp_path: Path) -> None:
    outputs = Outputs(tmp_path / "out.mp4", tmp_path / "labels", tmp_path / "out.jsonl")
    sources = [str(video), "synthetic:street?size=48x64&frames=7"]
    report = run(bundle.path, sources, outputs, BACKEND, threads=1)
    assert report.frames_by_source == (FRAMES, 7)
    assert report.frames == FRAMES + 7
    assert report.dropped == {}
    assert {"decode 1", "decode 2", "video 1", "labels 2", "infer"} <= set(report.stages_ms)
    assert decoded(tmp_path / "out-1.mp4") == (FRAMES, FPS, (64, 96))
    assert decoded(tmp_path / "out-2.mp4")[0] == len(list((tmp_path / "labels-2").iterdir())) == 7
    assert left(tmp_path / "labels-1") == [f"{index:06d}.png" for index in range(FRAMES)]
    with pytest.raises(SinkError, match="as source and as output"):
        run(bundle.path, [str(video), str(tmp_path / "out-1.mp4")], Outputs(tmp_path / "out.mp4"), BACKEND)


def test_a_stream_from_the_network_that_comes_back_is_told_of(
    bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Short(LiveServer):
        def serve(self, client: socket.socket) -> None:
            for part in self._paced(transport_stream()[:30]):
                client.sendall(part)

    server = Short()
    video, lines = tmp_path / "out.mp4", tmp_path / "out.jsonl"
    report = run(bundle.path, server.address, Outputs(video, json=lines), BACKEND, 40, 1, PlainLines())
    server.kill()
    said = capsys.readouterr().err
    assert f"{server.address} is gone after " in said
    assert f"{server.address} is back" in said
    assert report.frames == len(lines.read_bytes().splitlines()) + report.dropped.get("json", 0) == 40
    assert decoded(video)[0] == 40 - report.dropped.get("video", 0)


def test_any_number_of_outputs_at_once(bundle: Bundle, video: Path, tmp_path: Path) -> None:
    receiver = Receiver()
    others = (str(tmp_path / "b.mkv"), f"tcp://127.0.0.1:{receiver.port}", "null")
    outputs = Outputs(tmp_path / "a.mp4", json=tmp_path / "a.jsonl", others=others)
    report = run(bundle.path, str(video), outputs, BACKEND, threads=1, wait=True)
    assert report.decoders != ("",)
    assert [decoded(tmp_path / name)[0] for name in ("a.mp4", "b.mkv")] == [FRAMES, FRAMES]
    assert len(frames_of(receiver.end())) == FRAMES
    assert {"video", "video b.mkv", f"stream tcp://127.0.0.1:{receiver.port}", "null", "json"} <= set(report.stages_ms)
    sent = Outputs(others=("rtsp://server/street?transport=udp", "null", "b.mkv"))
    assert sent.numbered(2).others == ("rtsp://server/street-2?transport=udp", "null", "b-2.mkv")
    with pytest.raises(SinkError, match="several sources and the one address"):
        run(bundle.path, [str(video), str(video)], Outputs(others=others), BACKEND)


def test_a_limit_and_no_outputs(bundle: Bundle, video: Path) -> None:
    report = run(bundle.path, str(video), target=BACKEND, frames=7)
    assert report.frames == 7
    assert list(report.stages_ms) == STAGES


def test_a_compiled_engine_a_folder_of_images_and_the_street(bundle: Bundle, tmp_path: Path) -> None:
    compiled = compile_bundle(bundle.path, BACKEND, tmp_path / "engine", threads=1)
    images = tmp_path / "images"
    images.mkdir()
    for index in range(3):
        cv2.imwrite(str(images / f"{index}.png"), color_frame(index)[..., ::-1])
    assert run(compiled.path, str(images), Outputs(labels=tmp_path / "labels")).frames == 3
    for index in range(3):
        labels = cv2.imread(str(tmp_path / "labels" / f"{index:06d}.png"), cv2.IMREAD_UNCHANGED)
        assert np.mean(labels == color_frame(index).argmax(axis=2)) > 0.93
    report = run(compiled.path, "synthetic:street?size=64x96&frames=5", Outputs(video=tmp_path / "street.mp4"))
    assert decoded(tmp_path / "street.mp4")[0] == report.frames == 5


def test_progress_tells_frames_per_second(
    bundle: Bundle, video: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("etc_edge.stages.run._SECONDS_BETWEEN_FIGURES", 0.0)
    run(bundle.path, str(video), target=BACKEND, progress=PlainLines())
    said = capsys.readouterr().err
    assert f"colors: {FRAMES}/{FRAMES}, fps " in said
    assert "p99" in said


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


def test_bad_models_sources_and_outputs_leave_nothing(bundle: Bundle, video: Path, tmp_path: Path) -> None:
    outputs = Outputs(tmp_path / "out.mp4", tmp_path / "labels", tmp_path / "out.jsonl")
    with pytest.raises(BundleError, match="no bundle"):
        run(tmp_path / "absent.etc", str(video), outputs)
    with pytest.raises(SourceError, match="no video"):
        run(bundle.path, str(tmp_path / "absent.mp4"), outputs, BACKEND)
    with pytest.raises(EtcEdgeError, match="jetson-orbit"):
        run(bundle.path, str(video), outputs, "jetson-orbit")
    with pytest.raises(SinkError, match=r"out\.avi.*expected one that ends in"):
        run(bundle.path, str(video), Outputs(tmp_path / "out.avi", json=tmp_path / "out.jsonl"), BACKEND)
    assert left(tmp_path) == []


def test_a_video_that_was_cut_short_leaves_nothing(bundle: Bundle, tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole.mp4", tmp_path / "cut.mp4"
    with av.open(str(whole), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 64, 96, "yuv420p"
        for index in range(100):
            noise = np.random.default_rng(index).integers(0, 255, (64, 96, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(noise, format="rgb24")))
        container.mux(stream.encode(None))
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    outputs = Outputs(tmp_path / "out.mp4", tmp_path / "labels", tmp_path / "out.jsonl")
    with pytest.raises(SourceError, match="cut"):
        run(bundle.path, str(cut), outputs, BACKEND)
    assert left(tmp_path) == ["cut.mp4", "whole.mp4"]


def test_the_source_is_never_overwritten(bundle: Bundle, video: Path) -> None:
    before = video.read_bytes()
    with pytest.raises(SinkError, match="as source and as output"):
        run(bundle.path, str(video), Outputs(video), BACKEND)
    assert video.read_bytes() == before


def etc_edge(arguments: list[str], before: str = "") -> subprocess.Popen[str]:
    """The command in a process of its own, after some Python of the test's."""
    script = f"{before or 'pass'}; from etc_edge.cli.main import main; main({arguments!r})"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True, env=environment)


def test_a_full_disk_is_one_line_and_leaves_nothing(bundle: Bundle, tmp_path: Path) -> None:
    Segmenter.load(bundle, BACKEND, threads=1).close()
    arguments = ["--quiet", "run", str(bundle.path), "synthetic:street?size=240x320&frames=200", "--target", BACKEND]
    arguments += ["--threads", "1", "--out", str(tmp_path / "out.mp4"), "--json", str(tmp_path / "out.jsonl")]
    # No file may grow beyond this: to a program the same as a disk that is full.
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))"
    process = etc_edge(arguments, limit)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "error: The disk that holds" in said
    assert "Traceback" not in said
    assert left(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_a_playable_video(bundle: Bundle, tmp_path: Path, number: signal.Signals) -> None:
    Segmenter.load(bundle, BACKEND, threads=1).close()
    out, lines = tmp_path / "out.mp4", tmp_path / "out.jsonl"
    arguments = ["run", str(bundle.path), "synthetic:street?size=240x320&frames=100000", "--target", BACKEND]
    arguments += ["--threads", "1", "--out", str(out), "--labels", str(tmp_path / "labels"), "--json", str(lines)]
    process = etc_edge(arguments)
    end = time.monotonic() + 60
    while not (tmp_path / "labels" / "000010.png").exists():
        assert time.monotonic() < end
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 1
    assert said.splitlines()[-1] == "interrupted"
    assert "Traceback" not in said
    written = len(list((tmp_path / "labels").glob("*.png")))
    assert written >= 11
    frames, _, size_hw = decoded(out)
    assert size_hw == (240, 320)
    assert abs(frames - written) <= 1
    assert abs(len(lines.read_bytes().splitlines()) - written) <= 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["labels", "out.jsonl", "out.mp4"]
