"""Agreement of two networks' labels."""

from __future__ import annotations

import numpy as np

from etc_edge.core.errors import EtcEdgeError
from etc_edge.metrics.confusion import Labels


def agreeing_pixels(labels: Labels, reference: Labels) -> int:
    """Pixels with the reference's label.

    Raises:
        EtcEdgeError: the shapes differ.
    """
    if labels.shape != reference.shape:
        raise EtcEdgeError(f"Found labels of shape {labels.shape} for a reference of shape {reference.shape}.")
    return int(np.count_nonzero(labels == reference))


class Agreement:
    """Gathers frames."""

    def __init__(self) -> None:
        self._agreeing, self._pixels = 0, 0

    def update(self, labels: Labels, reference: Labels) -> None:
        """Add one frame; see `agreeing_pixels`."""
        self._agreeing += agreeing_pixels(labels, reference)
        self._pixels += labels.size

    def compute(self) -> float:
        """The share of all pixels that have the reference's label.

        Raises:
            EtcEdgeError: no frame was seen.
        """
        if not self._pixels:
            raise EtcEdgeError("Found no frame to compare with the reference's.")
        return self._agreeing / self._pixels
