"""Optical flow: one protocol, and a table of estimators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt

from etc_edge.core.errors import EtcEdgeError
from etc_edge.core.table import Table, nearest

FlowField = npt.NDArray[np.float32]


class Flow(Protocol):
    """Estimates where each pixel of a frame is in the next one."""

    @property
    def name(self) -> str:
        """What results call it; it tells every setting that changes the outcome."""

    def __call__(self, image_rgb: npt.NDArray[np.uint8], next_rgb: npt.NDArray[np.uint8], /) -> FlowField:
        """Flow from one frame to the next.

        Args:
            image_rgb: uint8 (H, W, 3).
            next_rgb: uint8 (H, W, 3).

        Returns:
            float32 (H, W, 2): displacement (x, y) in pixels, so that `next_rgb[y + dy, x + dx]` shows what
            `image_rgb[y, x]` does.
        """


# Flow that comes with a clip (`exact`, `stored`) needs no estimator and is not among these.
FLOWS: Table[Callable[[], Flow]] = Table(
    "optical flow",
    {
        "dis-ultrafast": "etc_edge.flow.dis:ultrafast",
        "dis-fast": "etc_edge.flow.dis:fast",
        "dis-medium": "etc_edge.flow.dis:medium",
    },
)

# Estimators that need a file: a scheme is what stands before the first colon, and the opener gets what follows.
SCHEMES: Table[Callable[[str], Flow]] = Table("optical flow", {"raft": "etc_edge.flow.raft.estimator:open_raft"})


def open_flow(name: str) -> Flow:
    """An estimator by its name, such as `dis-medium`, or by scheme and file: `raft:raft-things.pth?iterations=12`.

    Raises:
        EtcEdgeError: no such name or scheme; the nearest one is suggested.
        CheckpointError: a file of weights that is missing or of another network.
        DependencyError: an estimator's package is not installed.
    """
    scheme, colon, place = name.partition(":")
    if scheme in SCHEMES.names():
        return SCHEMES.load(scheme)(place)
    if name not in FLOWS.names():
        known = [*FLOWS.names(), *(f"{row}:FILE" for row in SCHEMES.names())]
        raise EtcEdgeError(f"Found no optical flow {name!r}.", nearest(f"{scheme}:FILE" if colon else name, known))
    return FLOWS.load(name)()
