"""Every example runs, on a small network and real sources."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from etc_edge.backends.base import EngineOptions
from etc_edge.backends.targets import compiled_for
from etc_edge.runtime import Segmenter
from tests import system_gstreamer
from tests.architecture.package_files import REPOSITORY
from tests.live_servers import LiveServer
from tests.moving_square import write_video
from tests.tiny_bundle import color_frame, write_tiny_bundle

EXAMPLES = REPOSITORY / "examples"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A compiled engine, so that no example has to time two of them."""
    folder = tmp_path_factory.mktemp("model")
    bundle = write_tiny_bundle(folder / "colors.etc")
    compiled_for(bundle, "onnxruntime", EngineOptions(threads=1), folder=folder / "engine")
    return str(folder / "engine")


def started(name: str, *arguments: str, environment: dict[str, str] | None = None) -> subprocess.Popen[str]:
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def lines(process: subprocess.Popen[str]) -> list[str]:
    said, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return said.splitlines()


def test_opencv_loop(model: str, tmp_path: Path) -> None:
    said = lines(started("opencv_loop", model, str(write_video(tmp_path / "a.mp4", 5))))
    assert len(said) == 5
    assert all(line.endswith("% of the picture") for line in said)


def test_two_cameras(model: str, tmp_path: Path) -> None:
    sources = [str(write_video(tmp_path / f"{number}.mp4", 4)) for number in range(2)]
    said = lines(started("two_cameras", model, *sources))
    for source in sources:
        assert [line.split(" at ")[0] for line in said if line.startswith(source)] == [
            f"{source}: frame {index}" for index in range(4)
        ]


def test_asyncio_service(model: str) -> None:
    server = LiveServer()
    service = started("asyncio_service", model, server.address, "0")
    assert service.stdout is not None
    port = int(service.stdout.readline().split()[-1])
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client, client.makefile() as told:
        found = [json.loads(next(told)) for _ in range(3)]
    assert [one["index"] for one in found] == sorted({one["index"] for one in found})
    assert all(sum(one["shares"].values()) == pytest.approx(1, abs=1e-3) for one in found)
    service.terminate()
    service.communicate(timeout=60)
    server.kill()


def test_ros2_node(model: str, tmp_path: Path) -> None:
    """With a stand-in for ROS, which is not on this machine: that its own lines run, not that ROS calls them so."""
    frames = [color_frame(seed) for seed in range(2)]
    padded = np.pad(frames[1][..., ::-1], ((0, 0), (0, 5), (0, 0)))
    shape = {"height": 32, "width": 48}
    images = [
        {"header": "first", **shape, "encoding": "rgb8", "step": 144, "data": frames[0]},
        {"header": "odd", **shape, "encoding": "yuv422", "step": 96, "data": frames[0]},
        {"header": "rows with a gap", **shape, "encoding": "bgr8", "step": 159, "data": padded},
    ]
    for image in images:
        image["data"] = base64.b64encode(np.ascontiguousarray(image["data"]).tobytes()).decode()
    sent, answered = tmp_path / "images.json", tmp_path / "labels.json"
    sent.write_text(json.dumps(images))
    node = started(
        "ros2_node", "--ros-args", "-p", f"model:={model}",
        environment={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(REPOSITORY / "tests" / "ros_stand_in"), *sys.path]),
            "STAND_IN_IMAGES": str(sent),
            "STAND_IN_LABELS": str(answered),
        },
    )  # fmt: skip
    _, errors = node.communicate(timeout=120)
    assert node.returncode == 0, errors
    assert "Found the encoding yuv422" in errors
    found = json.loads(answered.read_text())
    assert [(one["header"], one["encoding"], one["step"]) for one in found] == [
        ("first", "mono8", 48),
        ("rows with a gap", "mono8", 48),
    ]
    with Segmenter.load(model) as segmenter:
        for one, frame in zip(found, frames, strict=True):
            assert base64.b64decode(one["data"]) == segmenter(frame).tobytes()


def test_gstreamer_app(model: str, tmp_path: Path) -> None:
    folder = system_gstreamer.packages()
    if folder is None:
        pytest.skip("no GStreamer for this Python: apt install python3-gi gir1.2-gst-plugins-base-1.0")
    out, size = tmp_path / "out.avi", "width=50,height=30"
    said = lines(
        started(
            "gstreamer_app", model, f"videotestsrc pattern=white num-buffers=7 ! video/x-raw,{size},framerate=10/1",
            f"videoconvert ! jpegenc ! avimux ! filesink location={out}",
            environment=system_gstreamer.environment(folder),
        )
    )  # fmt: skip
    assert said == ["7 pictures"]
    with av.open(str(out)) as container:
        shown = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert [picture.shape for picture in shown] == [(30, 50, 3)] * 7
    red, _, blue = np.mean(shown, axis=(0, 1, 2))
    assert red > blue + 20, "on white the network finds its first class, which is drawn in red"


def test_every_example_is_run_here() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    assert {path.stem for path in EXAMPLES.glob("*.py") if f"def test_{path.stem}(" not in source} == set()
