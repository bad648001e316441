"""Agreement of two networks."""

from __future__ import annotations

import numpy as np
import pytest

from etc_edge.core.errors import EtcEdgeError
from etc_edge.metrics.agreement import Agreement


def test_is_the_share_of_all_pixels() -> None:
    agreement = Agreement()
    agreement.update(np.array([[0, 1]], np.uint8), np.array([[0, 2]], np.uint8))
    agreement.update(np.zeros((2, 3), np.uint8), np.zeros((2, 3), np.uint8))
    assert agreement.compute() == 7 / 8


def test_refuses_other_shapes_and_nothing() -> None:
    with pytest.raises(EtcEdgeError, match="no frame"):
        Agreement().compute()
    with pytest.raises(EtcEdgeError, match="shape"):
        Agreement().update(np.zeros((2, 3), np.uint8), np.zeros((3, 2), np.uint8))
