"""Flow that a clip brings."""

from __future__ import annotations

import numpy as np
import pytest

from etc_edge.core.errors import EtcEdgeError
from etc_edge.flow.exact import exact_flow


def test_is_the_clips_own_or_an_error() -> None:
    flow = np.zeros((2, 2, 2), np.float32)
    assert exact_flow(flow, "frame 0") is flow
    with pytest.raises(EtcEdgeError, match="frame 3"):
        exact_flow(None, "frame 3")
