"""What happens to a frame before the first layer: the one description that every stage uses."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from etc_edge.core.errors import BundleError

ColorOrder = Literal["rgb", "bgr"]

IMAGENET_MEAN_RGB = (123.675, 116.28, 103.53)
IMAGENET_STD_RGB = (58.395, 57.12, 57.375)


@dataclass(frozen=True)
class Preprocessing:
    """Size, normalisation and colour order of a network's input.

    A frame is resized to `size_hw`, becomes `(value - mean) / std` per channel and is handed to the network in
    `color` order. Mean and standard deviation are in 0–255 units and always listed red, green, blue.
    """

    size_hw: tuple[int, int]
    mean_rgb: tuple[float, float, float] = IMAGENET_MEAN_RGB
    std_rgb: tuple[float, float, float] = IMAGENET_STD_RGB
    color: ColorOrder = "rgb"

    def __post_init__(self) -> None:
        if len(self.size_hw) != 2 or not all(1 <= side <= 16384 for side in self.size_hw):
            raise BundleError(f"Found input size {self.size_hw}, expected (height, width) from 1 to 16384.")
        if not all(math.isfinite(value) for value in (*self.mean_rgb, *self.std_rgb)):
            raise BundleError("Found a mean or standard deviation that is not a finite number.")
        if not all(value > 0 for value in self.std_rgb):
            raise BundleError(f"Found standard deviation {self.std_rgb}, expected values above 0.")
        if self.color not in ("rgb", "bgr"):
            raise BundleError(f"Found colour order {self.color!r}, expected 'rgb' or 'bgr'.")

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "size_hw": list(self.size_hw),
            "mean_rgb": list(self.mean_rgb),
            "std_rgb": list(self.std_rgb),
            "color": self.color,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Preprocessing:
        """The reverse of `to_dict`.

        Raises:
            BundleError: a key is missing or a value does not fit.
        """
        try:
            height, width = data["size_hw"]
            mean = tuple(float(value) for value in data["mean_rgb"])
            std = tuple(float(value) for value in data["std_rgb"])
            if len(mean) != 3 or len(std) != 3:
                raise ValueError("three channels expected")
            return cls((int(height), int(width)), (mean[0], mean[1], mean[2]), (std[0], std[1], std[2]), data["color"])
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(
                f"Found preprocessing that cannot be read ({error}), expected size_hw, mean_rgb, std_rgb, color."
            ) from error
