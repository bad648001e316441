"""Settings for every test: two threads, a cache of their own, and property tests without deadlines."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Read when numpy, torch and the engines start their thread pools, so before any of them is imported.
os.environ.setdefault("OMP_NUM_THREADS", "2")

# A shell starts background jobs with SIGINT ignored, and what they start inherits that; the tests send it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A deadline would time the machine. Derandomized: a change fails or passes for everyone alike.
settings.register_profile(
    "etc-edge", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow], database=None
)
settings.load_profile("etc-edge")


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Compiled engines of the tests go to a folder that goes away, not to the user's cache."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ETC_EDGE_CACHE", str(folder))
        yield folder
