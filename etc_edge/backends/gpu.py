"""The NVIDIA GPU that torch computes on, in words, and what is the matter where there is none."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from etc_edge.backends.device import cpu_device
from etc_edge.core.errors import EngineError
from etc_edge.core.optional import require

# What NVIDIA's driver puts there, on desktops and on Jetson boards.
DRIVER_FILES = ("/dev/nvidiactl", "/dev/nvhost-gpu", "/dev/nvgpu")
DRIVER_VERSION = Path("/proc/driver/nvidia/version")

VISIBLE = "CUDA_VISIBLE_DEVICES"


def uses_gpu(purpose: str) -> bool:
    """Whether torch computes on a GPU here.

    Args:
        purpose: what torch is needed for, as in "the torch engine".

    Raises:
        EngineError: there is a GPU, and this build of torch cannot use it: running on the processor instead would be
            a surprise. `CUDA_VISIBLE_DEVICES=` in the environment hides the GPU.
        DependencyError: torch is not installed.
    """
    torch = require("torch", "torch", purpose)
    if torch.cuda.is_available():
        return True
    if _driver_is_there() and not _hidden():
        raise EngineError(
            f"Found an NVIDIA GPU that torch {torch.__version__} cannot use: {_reason(torch)}.",
            f"Install a torch for this GPU's CUDA, or run on the processor with {VISIBLE}= in the environment.",
        )
    return False


def torch_device(purpose: str) -> str:
    """What torch computes on: a GPU with what its kernels depend on, or the processor.

    Raises:
        EngineError, DependencyError: as `uses_gpu`.
    """
    return gpu_device(purpose) if uses_gpu(purpose) else cpu_device()


def gpu_device(purpose: str) -> str:
    """The GPU, its compute capability, CUDA and driver.

    Raises:
        EngineError: there is none that torch can use.
        DependencyError: torch is not installed.
    """
    if not uses_gpu(purpose):
        torch = require("torch", "torch", purpose)
        found = f"{VISIBLE} hiding every GPU" if _hidden() else f"no NVIDIA GPU ({_reason(torch)})"
        raise EngineError(f"Found {found}, expected one for {purpose}.", "Try --target cpu or torch here.")
    torch = require("torch", "torch", purpose)
    properties = torch.cuda.get_device_properties(0)
    capability = f"{properties.major}.{properties.minor}"
    return f"{properties.name} (compute capability {capability}, CUDA {torch.version.cuda}, driver {_driver()})"


def _driver() -> str:
    try:
        found = re.search(r"Kernel Module.*?\s(\d+\.\d+(?:\.\d+)?)", DRIVER_VERSION.read_text(encoding="utf-8"))
    except OSError:
        found = None
    return found[1] if found else "of an unknown version"


def _driver_is_there() -> bool:
    return any(Path(file).exists() for file in DRIVER_FILES)


def _hidden() -> bool:
    return os.environ.get(VISIBLE, "0").strip() in ("", "-1")


def _reason(torch: Any) -> str:
    if torch.version.cuda is None:
        return f"torch {torch.__version__} is built without CUDA"
    return f"CUDA {torch.version.cuda} does not start, which happens with an older driver"
