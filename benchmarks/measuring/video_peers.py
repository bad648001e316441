"""Other ways to label a video, each in an environment of its own, on the graph that we run and the same file."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from etc_edge.core.progress import Progress
from measuring.peers import PEERS_FOLDER, PeerError, environment

APP = "benchmark_app"
# As `etc_edge.backends.openvino.vendor`: what is measured here is not reported to the vendor.
_APP = """
import sys
sys.modules["openvino_telemetry"] = None
from openvino.tools.benchmark.main import main
main()
"""


@dataclass(frozen=True)
class VideoPeer:
    """A way to label a video; its pins are `peers/NAME.txt`, its script `peers/video_NAME.py`.

    Args:
        name: of both.
        graph: which of `video_graphs.save_graphs` it takes.
        writes: whether it writes a video, as our run with one.
        described: in words.
    """

    name: str
    graph: str
    writes: bool
    described: str


VIDEO_PEERS = (
    VideoPeer(
        "cv2", "labels", True, "cv2.VideoCapture, OpenVINO (latency), numpy, colours laid over, cv2.VideoWriter (mp4v)"
    ),
    VideoPeer("model_api", "logits", False, "cv2.VideoCapture and OpenVINO Model API, nothing written"),
)


@dataclass
class VideoContender:
    """A peer that is ready to be timed.

    Args:
        peer: which.
        python: of its environment.
        graph: as it takes it.
        video: what to label.
        threads: of one inference.
        report: where its script writes.
        versions: of its packages, known after a turn.
    """

    peer: VideoPeer
    python: Path
    graph: Path
    video: str
    threads: int
    report: Path
    versions: dict[str, str] = field(default_factory=dict)

    def fps(self, frames: int) -> float:
        """Frames a second of one turn, without loading.

        Raises:
            PeerError: it failed, or labelled fewer.
        """
        script = PEERS_FOLDER / f"video_{self.peer.name}.py"
        given = [str(self.graph), self.video, str(frames), str(self.threads), str(self.report)]
        output([str(self.python), str(script), *given], self.peer.name)
        found: dict[str, Any] = json.loads(self.report.read_text(encoding="utf-8"))
        if found["frames"] != frames:
            raise PeerError(f"{self.peer.name} labelled {found['frames']} of {frames} frames.")
        self.versions = found["versions"]
        return float(found["frames"] / found["seconds"])


def ready(peer: VideoPeer, graph: Path, video: str, threads: int, work: Path, progress: Progress) -> VideoContender:
    """Make a peer's environment, and let it label a few frames.

    Raises:
        PeerError: it cannot be installed, or does not take the graph.
    """
    python = environment(peer.name, progress)
    contender = VideoContender(peer, python, graph, video, threads, work / f"{peer.name}.json")
    contender.fps(2)
    return contender


@dataclass(frozen=True)
class AppFigures:
    """What benchmark_app prints: the median of its inferences, and how many it did in a second."""

    median_ms: float
    fps: float


def app_figures(graph: Path, frames: int, settings: Mapping[str, str] | None = None) -> AppFigures:
    """Run OpenVINO's `benchmark_app -hint latency` on all cores that this process may use.

    Args:
        graph: what it runs.
        frames: how many inferences.
        settings: further ones of OpenVINO's processor plugin.

    Raises:
        PeerError: it failed.
    """
    given = ["-m", str(graph), "-d", "CPU", "-hint", "latency", "-infer_precision", "f32", "-niter", str(frames)]
    if settings:
        config = graph.with_suffix(".settings.json")
        config.write_text(json.dumps({"CPU": dict(settings)}), encoding="utf-8")
        given += ["-load_config", str(config)]
    said = output([sys.executable, "-c", _APP, *given], APP)
    found = [re.search(pattern, said) for pattern in (r"Median:\s+([\d.]+) ms", r"Throughput:\s+([\d.]+) FPS")]
    if found[0] is None or found[1] is None:
        raise PeerError(f"{APP} did not say how long an inference took.")
    return AppFigures(float(found[0][1]), float(found[1][1]))


def output(command: list[str], name: str) -> str:
    """What a program prints.

    Raises:
        PeerError: it failed.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise PeerError(f"{name} failed: {reason}")
    return done.stdout
