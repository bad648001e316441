"""What an engine depends on besides TensorRT's version: the GPU, CUDA and the driver."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

# The kernel module of a desktop or server; on a Jetson the board's software has one number for all.
DRIVER_VERSION = Path("/proc/driver/nvidia/version")
JETSON_RELEASE = Path("/etc/nv_tegra_release")


@dataclass(frozen=True)
class GpuFacts:
    """A GPU.

    Args:
        name: as the driver calls it.
        compute_capability: major and minor.
        memory_bytes: on the device; on a Jetson shared with the processor.
        integrated: whether it is part of the processor, as on a Jetson.
        cuda: the CUDA version that the driver brings, major and minor.
    """

    name: str
    compute_capability: tuple[int, int]
    memory_bytes: int
    integrated: bool
    cuda: tuple[int, int]

    def in_words(self) -> str:
        """All that an engine is bound to: it is never loaded where this differs."""
        capability, cuda = (".".join(map(str, pair)) for pair in (self.compute_capability, self.cuda))
        return f"{self.name} (compute capability {capability}, CUDA {cuda}, driver {driver_version()})"


def driver_version() -> str:
    """Version of the kernel's driver, or of a Jetson's software, as the system tells it."""
    found = _search(r"Kernel Module.*?\s(\d+\.\d+(?:\.\d+)?)", DRIVER_VERSION)
    if found:
        return found[1]
    found = _search(r"R(\d+).*?REVISION:\s*([\d.]+)", JETSON_RELEASE)
    return f"L4T {found[1]}.{found[2]}" if found else "of an unknown version"


def _search(pattern: str, file: Path) -> re.Match[str] | None:
    try:
        return re.search(pattern, file.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return None
