"""The machine and the versions that a measurement was made with."""

from __future__ import annotations

import os
import platform
import re
from functools import lru_cache
from pathlib import Path

PACKAGES = [
    "etc-edge",
    "numpy",
    "opencv-python-headless",
    "av",
    "onnx",
    "onnxsim",
    "onnxruntime",
    "openvino",
    "torch",
    "torch-tensorrt",
    "tensorrt",
]
FLAGS = (
    "avx2",
    "avx512f",
    "avx512_vnni",
    "avx_vnni",
    "avx512_bf16",
    "amx_int8",
    "amx_bf16",
    "asimd",
    "asimddp",
    "i8mm",
)


def versions() -> dict[str, str]:
    """Version of Python and of each package of ours that is installed."""
    from importlib import metadata  # brings the e-mail package along, which takes longer than the rest of this file

    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def available_cores() -> int:
    """Cores that this process may run on: its affinity, bounded by the control group's quota."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:
        cores = os.cpu_count() or 1
    quota = _cgroup_quota()
    return max(1, cores if quota is None else min(cores, quota))


@lru_cache(maxsize=1)
def cpu_model() -> str:
    """The processor's name as the system tells it."""
    match = re.search(r"^model name\s*:\s*(.+)$", _cpuinfo(), re.MULTILINE)
    return match[1].strip() if match else platform.processor() or platform.machine()


@lru_cache(maxsize=1)
def cpu_flags() -> tuple[str, ...]:
    """Those instruction sets, of the ones that matter to INT8 and bf16 speed, that this processor has."""
    match = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", _cpuinfo(), re.MULTILINE)
    present = set(match[1].split()) if match else set()
    return tuple(flag for flag in FLAGS if flag in present)


def byte_products_saturate() -> bool:
    """Whether this processor adds pairs of products of unsigned and signed bytes in 16 bits, as x86 without VNNI does.

    Sums beyond ±32,767 are cut there, so that INT8 kernels built on that instruction give wrong results.
    """
    return platform.machine() in ("x86_64", "AMD64") and {"avx512_vnni", "avx_vnni"}.isdisjoint(cpu_flags())


def device() -> dict[str, str | int | list[str]]:
    """Name, architecture, cores and instruction sets of this machine, for results files."""
    return {
        "cpu": cpu_model(),
        "architecture": platform.machine(),
        "system": platform.system(),
        "cores": available_cores(),
        "cpu_flags": list(cpu_flags()),
    }


def _cpuinfo() -> str:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _cgroup_quota() -> int | None:
    """Whole cores that a control group (version 2) allows, rounded up, or None where it sets no bound."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="utf-8").split()
        return None if quota == "max" else -(-int(quota) // int(period))
    except (OSError, ValueError):
        return None
