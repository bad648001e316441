"""Integer grids: how real values become 8-bit codes and come back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Scheme = Literal["affine", "symmetric"]
"""`affine`: uint8 codes with a zero point, what x86 processors multiply fastest. `symmetric`: int8 codes from −128
to 127 with zero point 0, what TensorRT takes."""

SMALLEST_SCALE = 1e-12
"""Scales are at least this: products of scales and codes stay far from where 32-bit floats lose digits."""


@dataclass(frozen=True)
class Grid:
    """A per-tensor grid: real = scale · (code − zero_point), as ONNX QuantizeLinear defines it."""

    scale: float
    zero_point: int
    unsigned: bool

    @property
    def low_code(self) -> int:
        """The smallest code."""
        return 0 if self.unsigned else -128

    @property
    def high_code(self) -> int:
        """The largest code."""
        return self.low_code + 255

    @property
    def low(self) -> float:
        """The smallest real value that can be represented."""
        return self.scale * (self.low_code - self.zero_point)

    @property
    def high(self) -> float:
        """The largest real value that can be represented."""
        return self.scale * (self.high_code - self.zero_point)

    @classmethod
    def covering(cls, low: float, high: float, scheme: Scheme) -> Grid:
        """The grid that spans [low, high]; zero is always represented exactly.

        A tensor of which only zeros were seen gets the grid of [0, 1]: nothing is known of the values that it may
        have one day, and a minute scale would leave no bits for a bias that is stored in multiples of it.
        """
        low, high = min(low, 0.0), max(high, 0.0)
        if low == high:
            high = 1.0
        if scheme == "symmetric":
            return cls(_as_float32(max(-low, high) / 127), 0, unsigned=False)
        scale = _as_float32((high - low) / 255)
        return cls(scale, int(np.clip(np.round(-low / scale), 0, 255)), unsigned=True)

    def simulate(self, values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Values after quantization and dequantization in 32-bit floats; halves round to even, as ONNX says."""
        scale = np.float32(self.scale)
        codes = np.round(np.asarray(values, np.float32) / scale) + np.float32(self.zero_point)
        real: npt.NDArray[np.float32] = (np.clip(codes, self.low_code, self.high_code) - self.zero_point) * scale
        return real


def _as_float32(scale: float) -> float:
    """A scale as the graph stores it."""
    return float(np.float32(max(scale, SMALLEST_SCALE)))
