"""The board or GPU of this machine: what is read from the system's files, and from NVIDIA's two programs.

Nothing of CUDA is loaded. Everything lies under one root folder, so that the files of another machine can be looked at.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from shutil import which

from etc_edge.core.dpkg import installed_packages, upstream

# JetPack by the Jetson Linux under it, from NVIDIA's archive of JetPack.
JETPACKS = {
    "35.1.0": "5.0.2",
    "35.2.1": "5.1",
    "35.3.1": "5.1.1",
    "35.4.1": "5.1.2",
    "35.5.0": "5.1.3",
    "35.6.0": "5.1.4",
    "35.6.1": "5.1.5",
    "36.3.0": "6.0",
    "36.4.0": "6.1",
    "36.4.3": "6.2",
    "36.4.4": "6.2.1",
    "36.5.0": "6.2.2",
    "38.2.0": "7.0",
    "38.2.1": "7.0",
    "38.4.0": "7.1",
    "39.2.0": "7.2",
}
_MAJORS = {34: "5", 35: "5", 36: "6", 38: "7", 39: "7"}

# Device profiles by what the device tree calls a board, the first that fits.
BOARD_PROFILES = {
    "Thor": "jetson-thor",
    "AGX Orin": "jetson-orin-agx",
    "Orin NX": "jetson-orin-nx",
    "Orin Nano": "jetson-orin-nano",
    "Xavier NX": "jetson-xavier-nx",
}
# And by a graphics card's compute capability.
CARD_PROFILES = {
    "7.5": "desktop-turing",
    "8.0": "desktop-ampere",
    "8.6": "desktop-ampere",
    "8.9": "desktop-ada",
    "9.0": "datacenter-hopper",
    "12.0": "desktop-blackwell",
}

_SMI_FIELDS = "name,compute_cap,driver_version,memory.total"
_ANSWER_S = 20.0


@dataclass(frozen=True)
class Gpu:
    """A GPU as `nvidia-smi` lists it; what it does not know is "[N/A]", as the memory of a Jetson."""

    name: str
    compute_capability: str
    driver: str
    memory: str


@dataclass(frozen=True)
class Board:
    """What a machine has of NVIDIA's; None where it has not, or does not say.

    Attributes:
        model: of a board, by its device tree.
        jetson: whether it is one.
        jetson_linux: version of Jetson Linux (L4T).
        jetpack: version, or the major one alone where the release is not known.
        tensorrt: version of the system's TensorRT.
        tensorrt_python: version of Python that the system's module is for, as `3.10`.
        cuda: version of the system's CUDA.
        nvcc: whether CUDA's compiler and headers are there, from which pycuda is built.
        gpus: as the driver lists them.
        gpu_problem: why it lists none, where there should be one.
        dla_cores: deep learning accelerators that the kernel knows.
        power_mode: of a Jetson.
        power_modes: that it offers.
        gstreamer: version of the system's GStreamer.
        packages: Debian packages and their versions.
        profile: the device profile to compile for.
    """

    model: str | None
    jetson: bool
    jetson_linux: str | None
    jetpack: str | None
    tensorrt: str | None
    tensorrt_python: str | None
    cuda: str | None
    nvcc: bool
    gpus: tuple[Gpu, ...]
    gpu_problem: str | None
    dla_cores: int
    power_mode: str | None
    power_modes: tuple[str, ...]
    gstreamer: str | None
    packages: dict[str, str] | None
    profile: str | None


def read_board(root: Path = Path("/")) -> Board:
    """Look at a machine.

    Args:
        root: where `proc`, `sys`, `etc`, `usr` and `var` lie. NVIDIA's programs are called from below it.
    """
    packages = installed_packages(root)
    known = packages or {}
    model = _text(root / "proc/device-tree/model")
    linux = _jetson_linux(root)
    jetson = linux is not None or (model or "").startswith("NVIDIA")
    gpus, problem = _gpus(root)
    if not gpus and problem is None and _card_without_driver(root):
        problem = "a card that no driver serves"
    return Board(
        model=model,
        jetson=jetson,
        jetson_linux=linux,
        jetpack=_jetpack(known, linux),
        tensorrt=_version(known, r"libnvinfer\d+"),
        tensorrt_python=_tensorrt_python(root),
        cuda=_cuda(root, known),
        nvcc=(root / "usr/local/cuda/bin/nvcc").exists() or _program(root, "nvcc") is not None,
        gpus=gpus,
        gpu_problem=problem,
        dla_cores=len(list((root / "sys/bus/platform/devices").glob("*.nvdla[0-9]"))),
        power_mode=_power_mode(root),
        power_modes=_power_modes(root),
        gstreamer=_version(known, r"libgstreamer1\.0-0(t64)?"),
        packages=packages,
        profile=_profile(model if jetson else None, gpus),
    )


def _jetson_linux(root: Path) -> str | None:
    found = re.search(r"# R(\d+) \(release\), REVISION: ([\d.]+)", _text(root / "etc/nv_tegra_release") or "")
    if found is None:
        return None
    return ".".join([found[1], *[*found[2].split("."), "0"][:2]])


def _jetpack(packages: dict[str, str], linux: str | None) -> str | None:
    if "nvidia-jetpack" in packages:
        return upstream(packages["nvidia-jetpack"])
    return None if linux is None else JETPACKS.get(linux, _MAJORS.get(int(linux.split(".")[0])))


def _version(packages: dict[str, str], name: str) -> str | None:
    """The highest version of the packages whose whole name fits a pattern."""
    versions = [upstream(version) for one, version in packages.items() if re.fullmatch(name, one)]
    return max(versions, key=lambda text: [int(part) for part in re.findall(r"\d+", text)], default=None)


def _tensorrt_python(root: Path) -> str | None:
    for folder in sorted((root / "usr/lib").glob("python3.*/dist-packages/tensorrt")):
        return folder.parents[1].name.removeprefix("python")
    return None


def _cuda(root: Path, packages: dict[str, str]) -> str | None:
    try:
        return str(json.loads((root / "usr/local/cuda/version.json").read_text(encoding="utf-8"))["cuda"]["version"])
    except (OSError, ValueError, KeyError, TypeError):
        return _version(packages, r"cuda-cudart-\d+-\d+")


def _gpus(root: Path) -> tuple[tuple[Gpu, ...], str | None]:
    smi = _program(root, "nvidia-smi")
    if smi is None:
        return (), None
    told = _told([smi, f"--query-gpu={_SMI_FIELDS}", "--format=csv,noheader"])
    if told is None:
        return (), "nvidia-smi does not answer"
    rows = [[field.strip() for field in line.split(",")] for line in told.splitlines()]
    gpus = tuple(Gpu(*row) for row in rows if len(row) == 4)
    return gpus, None if gpus else f"nvidia-smi says: {' '.join(told.split())[:120] or 'nothing'}"


def _card_without_driver(root: Path) -> bool:
    cards = (root / "sys/bus/pci/devices").glob("*")
    return any(
        _text(card / "vendor") == "0x10de" and (_text(card / "class") or "").startswith("0x03") for card in cards
    )


def _power_mode(root: Path) -> str | None:
    nvpmodel = _program(root, "nvpmodel")
    told = None if nvpmodel is None else _told([nvpmodel, "-q"])
    found = re.search(r"NV Power Mode: *(\S.*)", told or "")
    return found[1].strip() if found else None


def _power_modes(root: Path) -> tuple[str, ...]:
    """Names in `nvpmodel`'s table: `< POWER_MODEL ID=0 NAME=15W >`."""
    table = _text(root / "etc/nvpmodel.conf") or ""
    return tuple(re.findall(r"^< *POWER_MODEL +ID=\d+ +NAME=([^\s>]+)", table, re.MULTILINE))


def _profile(model: str | None, gpus: tuple[Gpu, ...]) -> str | None:
    if model is not None:
        return next((profile for words, profile in BOARD_PROFILES.items() if words in model), None)
    return next(
        (CARD_PROFILES[gpu.compute_capability] for gpu in gpus if gpu.compute_capability in CARD_PROFILES), None
    )


def _program(root: Path, name: str) -> str | None:
    folders = [str(root / "usr/sbin"), str(root / "usr/bin")]
    if root == Path("/"):
        folders.append(os.environ.get("PATH", ""))
    return which(name, path=os.pathsep.join(folders))


def _told(command: list[str]) -> str | None:
    """What a program prints; None where it does not end in time or cannot be started."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=_ANSWER_S).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0 \n") or None
    except OSError:
        return None
