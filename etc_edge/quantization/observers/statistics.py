"""What calibration keeps of a tensor: extremes and a histogram, whatever the amount of data."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from etc_edge.core.errors import CalibrationError
from etc_edge.graph.grid import SMALLEST_SCALE

BINS = 4096
"""Bins of a histogram. The span doubles when a value falls outside, so at least a quarter of them is in use."""

MOMENTUM = 0.9
"""Weight of the past in the moving averages of the extremes."""


class TensorStatistics:
    """Streaming statistics of one tensor.

    `low` and `high` are the exact extremes of all frames, `average_low` and `average_high` the exponential moving
    averages of each frame's. The histogram spans [−span, span) symmetrically; when a value falls outside, the
    span doubles and neighbouring bins merge, which loses no count and moves no bin edge but to a coarser one.
    """

    def __init__(self) -> None:
        self.low, self.high = np.inf, -np.inf
        self.average_low = self.average_high = 0.0
        self.frames = 0
        self.span = 0.0
        self.counts = np.zeros(BINS, np.int64)

    def update(self, low: float, high: float, sample: npt.NDArray[Any]) -> None:
        """Add one frame.

        Args:
            low: exact minimum of the tensor.
            high: exact maximum of the tensor.
            sample: values of the tensor, all or a part, any shape, float32.

        Raises:
            CalibrationError: a value is not finite.
        """
        # Engines may pass over a NaN when they look for extremes, so the values are asked as well.
        if not (np.isfinite(low) and np.isfinite(high)) or np.isnan(sample.min()):
            raise CalibrationError(
                f"Found values that are not finite (from {low} to {high}), expected finite ones.",
                "Check the network's weights and input.",
            )
        self.low, self.high = min(self.low, low), max(self.high, high)
        keep = MOMENTUM if self.frames else 0.0
        self.average_low = keep * self.average_low + (1 - keep) * low
        self.average_high = keep * self.average_high + (1 - keep) * high
        self.frames += 1
        largest = max(-low, high, 0.0)
        if self.span == 0.0:
            if largest < SMALLEST_SCALE:
                self.counts[BINS // 2] += sample.size
                return
            self.span = largest * (1 + 1e-6)
        while largest >= self.span:
            self._double()
        position = sample.reshape(-1) * np.float32(BINS / (2 * self.span)) + np.float32(BINS // 2)
        codes = np.clip(position.astype(np.int32), 0, BINS - 1)
        self.counts += np.bincount(codes, minlength=BINS)

    def centers(self) -> npt.NDArray[np.float64]:
        """Middle of each bin; those of the outermost bins in use stay within the extremes."""
        width = 2 * self.span / BINS
        return np.clip(-self.span + width * (np.arange(BINS) + 0.5), self.low, self.high)

    def _double(self) -> None:
        merged = self.counts.reshape(-1, 2).sum(axis=1)
        self.counts = np.zeros(BINS, np.int64)
        self.counts[BINS // 4 : BINS // 4 + BINS // 2] = merged
        self.span *= 2
