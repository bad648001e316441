from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata

import pytest

from etc_edge import __version__
from etc_edge.core.environment import PACKAGES, available_cores, cpu_flags, device, versions


def test_versions_are_those_of_installed_packages() -> None:
    found = versions()
    assert found["numpy"] == metadata.version("numpy")
    assert found["etc-edge"] == __version__
    assert set(found) <= {"python", *PACKAGES}


def test_this_machine() -> None:
    told = device()
    assert told["cores"] == available_cores() >= 1
    assert told["cpu"]
    assert set(cpu_flags()) <= set(told["cpu_flags"])  # type: ignore[arg-type]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")
def test_cores_are_those_that_the_process_may_use() -> None:
    one = next(iter(os.sched_getaffinity(0)))
    script = f"""
import os
from etc_edge.core.environment import available_cores
os.sched_setaffinity(0, {{{one}}})
print(available_cores())
"""
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "1"
