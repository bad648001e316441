"""GStreamer as the system has it, in an environment that does not see the system's packages."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp

import pytest

SYSTEM_PACKAGES = Path("/usr/lib/python3/dist-packages")
SYSTEM_PYTHON = Path("/usr/bin/python3")

# PyGObject's importer is of an older kind.
quiet = pytest.mark.filterwarnings("ignore::ImportWarning", "ignore::DeprecationWarning")

TRY = "import gi; gi.require_version('Gst', '1.0'); from gi.repository import Gst; Gst.init(None)"


@cache
def packages() -> str | None:
    """A folder to import PyGObject from, empty where it is importable anyway; None where there is no GStreamer."""
    if find_spec("gi") is not None:
        folder = ""
    elif (SYSTEM_PACKAGES / "gi").is_dir():
        folder = mkdtemp(prefix="gi-")
        (Path(folder) / "gi").symlink_to(SYSTEM_PACKAGES / "gi")
    else:
        return None
    done = subprocess.run([sys.executable, "-c", TRY], env=environment(folder), capture_output=True, check=False)
    return folder if done.returncode == 0 else None


def environment(folder: str) -> dict[str, str]:
    """What a child process needs to import it and this package."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, folder])}


def needed() -> str:
    """Make PyGObject importable here, or skip the test where the machine has no GStreamer for this Python."""
    folder = packages()
    if folder is None:
        pytest.skip("no GStreamer for this Python: apt install python3-gi gir1.2-gst-plugins-base-1.0")
    if folder and folder not in sys.path:
        sys.path.append(folder)
    return folder
