"""What this machine can run: the processor, the packages, the codecs, and a verdict for every target."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from etc_edge.backends.board import Board, read_board
from etc_edge.backends.board_needs import Need, needs
from etc_edge.backends.cache import cache_folder
from etc_edge.backends.table import BACKENDS, CPU_BACKENDS
from etc_edge.core.environment import available_cores, cpu_flags, cpu_model
from etc_edge.frames.attached_cameras import AttachedCamera, attached_cameras

# Module, and the extra that brings it; None for the base. The order is the order of the way a model takes.
PACKAGES: tuple[tuple[str, str | None], ...] = (
    ("numpy", None),
    ("cv2", None),
    ("av", None),
    ("onnx", "graph"),
    ("onnxsim", "graph"),
    ("onnxruntime", "onnxruntime"),
    ("openvino", "openvino"),
    ("torch", "train"),
    ("safetensors", "train"),
    ("tensorboard", "train"),
    ("onnxscript", "train"),
    ("tensorrt", "tensorrt"),
    ("pycuda", "tensorrt"),
    ("torch_tensorrt", "torch-tensorrt"),
    ("gi", "gstreamer"),
)
# Encoders in software: the others are built in everywhere and work only beside their hardware.
VIDEO_ENCODERS = ("libx264", "libopenh264")
VIDEO_DECODERS = ("h264", "hevc", "mpeg4", "mjpeg", "vp9", "av1")
LOADING_TIMEOUT_S = 120.0

_LOAD = """
import importlib, sys
from importlib import metadata
module = importlib.import_module(sys.argv[1])
version = getattr(module, "__version__", None)
if version is None:
    names = metadata.packages_distributions().get(sys.argv[1], [])
    version = metadata.version(names[0]) if names else "unknown version"
print(str(version).removeprefix("v").split("-")[0])
"""


@dataclass(frozen=True)
class Package:
    """A package, tried out in a child process; `problem` is None when it loads.

    `extra` is the extra of etc-edge that installs it, None when the base does. `instead` is what installs it on this
    board, where pip does not.
    """

    module: str
    extra: str | None
    version: str | None
    problem: str | None
    instead: str | None = None

    @property
    def install(self) -> str:
        """The line that installs it."""
        if self.instead is not None:
            return self.instead
        return "pip install etc-edge" if self.extra is None else f'pip install "etc-edge[{self.extra}]"'


@dataclass(frozen=True)
class Ability:
    """A target or another piece of work; `missing` lists what it lacks here, and is empty when it works."""

    name: str
    missing: tuple[str, ...]


@dataclass(frozen=True)
class Diagnosis:
    """Everything that `etc-edge doctor` found; memory in bytes, None where the system does not say."""

    python: str
    system: str
    cpu: str
    cpu_flags: tuple[str, ...]
    cores: int
    cores_total: int
    memory_bytes: int | None
    memory_available_bytes: int | None
    board: Board
    cameras: tuple[AttachedCamera, ...]
    needs: tuple[Need, ...]
    packages: tuple[Package, ...]
    video_encoders: tuple[str, ...]
    video_decoders: tuple[str, ...]
    cache: Path
    cache_problem: str | None
    targets: tuple[Ability, ...]
    work: tuple[Ability, ...]


def doctor(root: Path = Path("/")) -> Diagnosis:
    """Look at this machine; imports every optional package once, each in a child process of its own.

    Args:
        root: where the board's files lie, such as `etc/nv_tegra_release`.
    """
    with ThreadPoolExecutor(max_workers=min(4, available_cores())) as pool:
        packages = tuple(pool.map(lambda row: _try_package(*row), PACKAGES))
    board = read_board(root)
    missing = needs(board, sys.version_info[:2], {one.module for one in packages if one.problem is None})
    commands = {need.module: need.command for need in missing if need.module is not None}
    packages = tuple(replace(one, instead=commands.get(one.module)) for one in packages)
    memory, memory_available = _memory_bytes()
    cache = cache_folder()
    return Diagnosis(
        python=f"{platform.python_version()} ({sys.executable})",
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        cpu=cpu_model(),
        cpu_flags=cpu_flags(),
        cores=available_cores(),
        cores_total=os.cpu_count() or 1,
        memory_bytes=memory,
        memory_available_bytes=memory_available,
        board=board,
        cameras=attached_cameras(root),
        needs=missing,
        packages=packages,
        video_encoders=_codecs(VIDEO_ENCODERS, "w"),
        video_decoders=_codecs(VIDEO_DECODERS, "r"),
        cache=cache,
        cache_problem=_write_problem(cache),
        targets=_targets(packages),
        work=_work(packages),
    )


def _try_package(module: str, extra: str | None) -> Package:
    try:
        done = subprocess.run(
            [sys.executable, "-c", _LOAD, module],
            capture_output=True,
            text=True,
            check=False,
            timeout=LOADING_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        return Package(module, extra, None, f"did not load within {LOADING_TIMEOUT_S:.0f} s")
    if done.returncode == 0:
        return Package(module, extra, done.stdout.split("\n")[-2], None)
    if done.returncode < 0:
        return Package(module, extra, None, f"crashed while loading (signal {-done.returncode})")
    reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
    missing = reason == f"ModuleNotFoundError: No module named {module!r}"
    return Package(module, extra, None, "not installed" if missing else f"does not load: {reason}")


def _lacking(packages: tuple[Package, ...], *extras: str | None) -> tuple[str, ...]:
    """Install lines for those packages of some extras that do not load, each once."""
    lines = [one.install for one in packages if one.extra in extras and one.problem is not None]
    return tuple(dict.fromkeys(lines))


def _targets(packages: tuple[Package, ...]) -> tuple[Ability, ...]:
    targets = [Ability(name, _lacking(packages, None, name.replace("_", "-"))) for name in BACKENDS.names()]
    on_cpu = [target for target in targets if target.name in CPU_BACKENDS]
    works = any(not target.missing for target in on_cpu)
    return (Ability("cpu", () if works else on_cpu[0].missing), *targets)


def _work(packages: tuple[Package, ...]) -> tuple[Ability, ...]:
    graph = _lacking(packages, None, "graph")
    training = _lacking(packages, None, "train")  # this extra brings what `graph` brings
    return (
        Ability("export ONNX, quantize, compile", graph),
        Ability("train, export a checkpoint", training or graph),
    )


def _codecs(names: tuple[str, ...], mode: str) -> tuple[str, ...]:
    """Those of some FFmpeg codecs that the installed PyAV can write ("w") or read ("r")."""
    script = (
        "import sys, av\n"
        "for name in sys.argv[2:]:\n"
        "    try:\n"
        "        av.codec.Codec(name, sys.argv[1])\n"
        "    except av.codec.codec.UnknownCodecError:\n"
        "        continue\n"
        "    print(name)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, mode, *names], capture_output=True, text=True, check=False)
    return tuple(done.stdout.split())


def _memory_bytes() -> tuple[int | None, int | None]:
    """Total and available memory, the control group's limit respected."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None, None
    kibibytes = {line.split(":")[0]: int(line.split()[1]) for line in lines if line.endswith("kB")}
    total, available = kibibytes["MemTotal"] * 1024, kibibytes["MemAvailable"] * 1024
    try:
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="utf-8"))
        used = int(Path("/sys/fs/cgroup/memory.current").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return total, available
    return min(total, limit), min(available, max(0, limit - used))


def _write_problem(folder: Path) -> str | None:
    """Why a folder, or the nearest one above it that exists, cannot be written; None when it can."""
    standing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not standing.is_dir():
        return f"{standing} is no folder"
    return None if os.access(standing, os.W_OK | os.X_OK) else f"no permission to write in {standing}"
