"""Memory of an engine, whatever the process that asks for it takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from etc_edge.backends.base import EngineOptions
from etc_edge.backends.targets import compiled_for
from etc_edge.benchmark.memory import memory_of
from etc_edge.benchmark.yardstick import SHIPPED
from etc_edge.core.bundle import Bundle
from etc_edge.core.progress import Silent

BALLAST_BYTES = 600_000_000


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_the_peak_is_the_engines_own() -> None:
    compiled = compiled_for(Bundle.open(SHIPPED), "onnxruntime", EngineOptions(threads=1), Silent())
    ballast = np.ones(BALLAST_BYTES, np.uint8)
    found = memory_of(compiled, 1)
    assert found is not None
    memory, peak_bytes = found
    assert len(ballast) > peak_bytes > memory.engine_bytes > 0
