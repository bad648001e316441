"""Every example runs, on a small network and real sources."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from etc_edge.backends.base import EngineOptions
from etc_edge.backends.targets import compiled_for
from tests.architecture.package_files import REPOSITORY
from tests.live_servers import LiveServer
from tests.moving_square import write_video
from tests.tiny_bundle import write_tiny_bundle

EXAMPLES = REPOSITORY / "examples"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A compiled engine, so that no example has to time two of them."""
    folder = tmp_path_factory.mktemp("model")
    bundle = write_tiny_bundle(folder / "colors.etc")
    compiled_for(bundle, "onnxruntime", EngineOptions(threads=1), folder=folder / "engine")
    return str(folder / "engine")


def started(name: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


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


def test_every_example_is_run_here() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    assert {path.stem for path in EXAMPLES.glob("*.py") if f"def test_{path.stem}(" not in source} == set()
