"""Other quantizers, each in an environment of its own, from the same FP32 graph and the same frames."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etc_edge.core.errors import EtcEdgeError
from etc_edge.core.hashing import sha256_file
from etc_edge.core.progress import Progress

PEERS_FOLDER = Path(__file__).resolve().parents[1] / "peers"
ENVIRONMENTS = Path(__file__).resolve().parents[2] / ".venv-peers"


@dataclass(frozen=True)
class Peer:
    """A quantizer in one of its configurations.

    Args:
        environment: its pins are `peers/ENVIRONMENT.txt`, its script `peers/quantize_ENVIRONMENT.py`.
        backend: the engine that its graphs are made for.
        graph: the suffix of what it writes.
        arguments: its script's, for this configuration.
        described: the configuration in words.
        judges: whether it also gets labelled frames that nobody calibrates on, to judge what it makes.
    """

    environment: str
    backend: str
    graph: str
    arguments: tuple[str, ...]
    described: str
    judges: bool = False


PEERS = {
    "ort": Peer("onnxruntime", "onnxruntime", ".onnx", (), "quantize_static: u8s8, per channel, Q/DQ, min-max"),
    "ort-float-head": Peer(
        "onnxruntime", "onnxruntime", ".onnx", ("--float-head",), "the same, preprocessing and labels head in float"
    ),
    "nncf": Peer("nncf", "openvino", ".xml", (), "nncf.quantize: default preset (symmetric activations)"),
    "nncf-mixed": Peer("nncf", "openvino", ".xml", ("--preset", "mixed"), "the same, preset mixed (asymmetric)"),
    "nncf-control": Peer(
        "nncf",
        "openvino",
        ".xml",
        ("--preset", "mixed", "--max-miou-drop", "0.003"),
        "nncf.quantize_with_accuracy_control, preset mixed: 0.3 points of mIoU on frames that it does not calibrate on",
        judges=True,
    ),
    # ONNX Runtime leaves convolutions of signed symmetric graphs in float on x86; OpenVINO does not.
    "modelopt": Peer("modelopt", "openvino", ".onnx", (), "modelopt.onnx: signed symmetric, entropy"),
    "modelopt-max": Peer("modelopt", "openvino", ".onnx", ("--method", "max"), "the same, min-max"),
}


class PeerError(EtcEdgeError):
    """A peer that could not be installed or failed on a graph."""


@dataclass(frozen=True)
class Quantized:
    """What a peer made: its graph, how long it took, its peak memory and the versions of its packages."""

    graph: Path
    seconds: float
    peak_memory_bytes: int
    versions: dict[str, str]


def quantize_with(
    name: str, model: Path, frames: Path, judged: Path | None, work: Path, progress: Progress
) -> Quantized:
    """Let a peer quantize a graph.

    Args:
        name: a row of PEERS.
        model: the deployed FP32 graph: uint8 frame in, uint8 labels out.
        frames: uint8 (N, H, W, 3), an `.npy` file.
        judged: other frames of that form, with labels beside them, for a peer that judges; None where there are none.
        work: an existing folder.
        progress: told what goes on.

    Raises:
        PeerError: its environment cannot be made, it has nothing to judge on, or it failed on the graph.
    """
    peer = PEERS[name]
    if peer.judges and judged is None:
        raise PeerError(
            f"Found no frame for {name} to judge on, expected some of the split that are not calibrated on.",
            "Give fewer --calibration-frames.",
        )
    more = ("--judge", str(judged)) if peer.judges else ()
    python = environment(peer.environment, progress)
    graph, report = work / f"{name}{peer.graph}", work / f"{name}.json"
    script = PEERS_FOLDER / f"quantize_{peer.environment}.py"
    # Some write into the file that they are given.
    copy = work / f"{name}-fp32.onnx"
    shutil.copyfile(model, copy)
    progress.say(f"quantizing with {name}: {peer.described}")
    _run([str(python), str(script), str(copy), str(frames), str(graph), str(report), *peer.arguments, *more], name)
    found: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    return Quantized(graph, found["seconds"], found["peak_memory_bytes"], found["versions"])


def environment(name: str, progress: Progress) -> Path:
    """The Python of a peer's environment, which is made when it is missing or its pins have changed."""
    pins = PEERS_FOLDER / f"{name}.txt"
    folder = ENVIRONMENTS / name
    python, made_for = folder / "bin" / "python", folder / "made-for"
    wanted = f"{sys.version_info.major}.{sys.version_info.minor} {sha256_file(pins)}"
    if python.exists() and made_for.is_file() and made_for.read_text(encoding="utf-8") == wanted:
        return python
    progress.say(f"making an environment for {name}: {folder}")
    made = subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], capture_output=True, check=False)
    if made.returncode != 0:
        # A Python without ensurepip, as Debian packages it: another environment's pip fills this one.
        _run([sys.executable, "-m", "venv", "--clear", "--without-pip", str(folder)], name)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python)]
    _run([*pip, "install", "--quiet", "--requirement", str(pins)], name)
    made_for.write_text(wanted, encoding="utf-8")
    return python


def _run(command: list[str], name: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise PeerError(f"{name} failed: {reason}", f"Try it by hand: {Path(command[0]).name} {' '.join(command[1:3])}")
