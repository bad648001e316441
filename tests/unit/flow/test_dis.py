"""What is DIS's own; the rest is in the flow contract."""

from __future__ import annotations

import numpy as np
import pytest

from etc_edge.core.errors import EtcEdgeError
from etc_edge.flow.base import open_flow


def test_frames_too_small_for_its_patches_are_refused() -> None:
    with pytest.raises(EtcEdgeError, match="at least 16"):
        open_flow("dis-medium")(np.zeros((8, 64, 3), np.uint8), np.zeros((8, 64, 3), np.uint8))


def test_an_unknown_flow_suggests_the_nearest() -> None:
    with pytest.raises(EtcEdgeError, match="dis-medium"):
        open_flow("dis-mediun")
