"""What a board or a GPU lacks to run TensorRT and to read cameras, each with the line that installs it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from etc_edge.backends.board import Board

JETPACK = "sudo apt install nvidia-jetpack"
# For gst:// and csi:// sources.
GSTREAMER_PACKAGES = ("python3-gi", "gir1.2-gst-plugins-base-1.0", "gstreamer1.0-plugins-good")
_OLDEST_PYTHON = (3, 10)
_ENVIRONMENT = "-m venv --system-site-packages .venv"


@dataclass(frozen=True)
class Need:
    """Something that is missing.

    Attributes:
        what: is missing, and for what it is needed.
        command: installs it.
        module: of Python that comes with it.
    """

    what: str
    command: str
    module: str | None = None


def needs(board: Board, python: tuple[int, int], loaded: Collection[str]) -> tuple[Need, ...]:
    """What is missing, in the order in which to install it.

    Args:
        board: as it was read.
        python: the version that runs.
        loaded: modules that import there.
    """
    tensorrt = tuple(_tensorrt(board, python, loaded))
    found = (*_driver(board), *tensorrt, *_pycuda(board, loaded), *_gstreamer(board))
    if "gi" in loaded or any(_ENVIRONMENT in need.command for need in tensorrt) or _is_too_old(board):
        return found
    return (*found, *_pygobject(board))


def _driver(board: Board) -> Iterator[Need]:
    if board.gpu_problem is not None and not board.jetson and not board.gpus:
        command = "sudo ubuntu-drivers install" if _is_ubuntu(board) else "sudo apt install nvidia-driver"
        yield Need(f"NVIDIA's driver ({board.gpu_problem})", command)


def _tensorrt(board: Board, python: tuple[int, int], loaded: Collection[str]) -> Iterator[Need]:
    """On a card pip brings it; on a Jetson only JetPack does."""
    if not board.jetson or "tensorrt" in loaded:
        return
    running = ".".join(map(str, python))
    of_module = board.tensorrt_python
    if board.tensorrt is None:
        yield Need("TensorRT", JETPACK, "tensorrt")
    elif of_module is None:
        yield Need("TensorRT's module for Python", "sudo apt install python3-libnvinfer", "tensorrt")
    elif _is_too_old(board):
        what = f"TensorRT's module for Python {running}: JetPack's is for {of_module}"
        yield Need(what, "build it from NVIDIA's sources: docs/jetson.md, JetPack 5", "tensorrt")
    else:
        what = "an environment that sees JetPack's TensorRT"
        if of_module != running:
            what += f", by Python {of_module} instead of {running}"
        yield Need(what, f"python{of_module} {_ENVIRONMENT}", "tensorrt")


def _pycuda(board: Board, loaded: Collection[str]) -> Iterator[Need]:
    if "pycuda" in loaded or not (board.jetson or board.gpus):
        return
    if not board.nvcc:
        if board.jetson:
            command = JETPACK if board.cuda is None else f"sudo apt install cuda-toolkit-{_dashed(board.cuda)}"
        else:
            command = "sudo apt install nvidia-cuda-toolkit"
        yield Need("CUDA's compiler and headers, from which pip builds pycuda", command)
    if board.jetson:
        yield Need("pycuda", "PATH=/usr/local/cuda/bin:$PATH pip install pycuda", "pycuda")


def _gstreamer(board: Board) -> Iterator[Need]:
    if board.packages is None:
        return
    if lacking := [name for name in GSTREAMER_PACKAGES if name not in board.packages]:
        yield Need("GStreamer, for gst:// and csi:// sources", f"sudo apt install {' '.join(lacking)}")
    if board.jetson and "nvidia-l4t-gstreamer" not in board.packages:
        yield Need("GStreamer's elements for CSI cameras", "sudo apt install nvidia-l4t-gstreamer")


def _pygobject(board: Board) -> Iterator[Need]:
    """The system's is there and this environment does not see it."""
    if "python3-gi" in (board.packages or {}):
        what = "an environment that sees the system's PyGObject, for gst:// and csi:// sources"
        yield Need(what, f"/usr/bin/python3 {_ENVIRONMENT}", "gi")


def _is_too_old(board: Board) -> bool:
    """Whether JetPack's own Python is, for which all of the system's modules are."""
    of_module = board.tensorrt_python
    return of_module is not None and tuple(map(int, of_module.split("."))) < _OLDEST_PYTHON


def _is_ubuntu(board: Board) -> bool:
    return "ubuntu-drivers-common" in (board.packages or {})


def _dashed(version: str) -> str:
    return "-".join(version.split(".")[:2])
