"""A folder that makes `import tensorrt` and `import pycuda.driver` give the simulated ones, in children too."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

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
    before = _forget()
    sys.path.insert(0, site)
    try:
        yield
    finally:
        sys.path.remove(site)
        _forget()
        # Who imported from them before goes on with the same classes.
        for name, module in before.items():
            sys.modules[name] = module
            parent, _, child = name.rpartition(".")
            if parent in sys.modules:
                setattr(sys.modules[parent], child, module)


def _forget() -> dict[str, ModuleType]:
    """Drop modules that hold classes of one version, and give them to whom they may be given back."""
    names = [name for name in sys.modules if name != __name__ and _is_ours(name)]
    return {name: sys.modules.pop(name) for name in names}


def _is_ours(name: str) -> bool:
    return any(name == ours or name.startswith(f"{ours}.") for ours in _OURS)
