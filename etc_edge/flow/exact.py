"""Flow that a clip brings with it, as the synthetic street does."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from etc_edge.core.errors import EtcEdgeError
from etc_edge.flow.base import FlowField

NAME = "exact"


def exact_flow(flow_to_next: npt.NDArray[np.float32] | None, where: str) -> FlowField:
    """A frame's own flow to the next.

    Args:
        flow_to_next: float32 (H, W, 2) or None, as a clip's frame has it.
        where: what to call the frame in messages.

    Raises:
        EtcEdgeError: the frame brings none.
    """
    if flow_to_next is None:
        raise EtcEdgeError(
            f"Found no exact flow for {where}.", "Only the synthetic street has it. Try the flow dis-medium."
        )
    return flow_to_next
