"""A folder that makes `import tensorrt` and `import pycuda.driver` give the simulated ones, in children too."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

JETPACK_5, JETPACK_6_0, JETPACK_6_2, JETPACK_7, NEWEST = "8.5.2", "8.6.1", "10.3.0", "10.13.3.9", "11.4.0.106"

_TENSORRT = """
import sys
from tests.simulated_nvidia.versions import install
install(sys.modules[__name__], {version!r})
"""

_OURS = ("tensorrt", "pycuda", "tests.simulated_nvidia", "etc_edge.backends.tensorrt")


def write_site(folder: Path, version: str) -> Path:
    """Write the packages, and what tells their versions, into a folder for PYTHONPATH."""
    files = {
        "tensorrt/__init__.py": _TENSORRT.format(version=version),
        "pycuda/__init__.py": "",
        "pycuda/driver.py": "from tests.simulated_nvidia.driver import *\n",
        f"tensorrt-{version}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: tensorrt\nVersion: {version}\n",
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


@contextmanager
def simulated(folder: Path, version: str) -> Iterator[None]:
    """Have the simulated TensorRT of a version in this process and in its children for a block."""
    site = str(write_site(folder, version))
    _forget()
    sys.path.insert(0, site)
    try:
        yield
    finally:
        sys.path.remove(site)
        _forget()


def _forget() -> None:
    """Drop modules that hold classes of one version."""
    for name in list(sys.modules):
        if any(name == ours or name.startswith(f"{ours}.") for ours in _OURS) and name != __name__:
            del sys.modules[name]
