"""uint8 frames to what the network sees."""

from __future__ import annotations

import torch
from torch import Tensor


class Normalisation:
    """(value − mean) / std per channel, on the training device, in channels-last memory.

    Args:
        mean_rgb, std_rgb: in 0–255 units.
        device: where the result goes.
    """

    def __init__(
        self, mean_rgb: tuple[float, float, float], std_rgb: tuple[float, float, float], device: torch.device
    ) -> None:
        self.device = device
        self.mean_rgb = mean_rgb
        self._mean = torch.tensor(mean_rgb, device=device).view(1, 3, 1, 1)
        self._scale = 1.0 / torch.tensor(std_rgb, device=device).view(1, 3, 1, 1)

    def __call__(self, frames: Tensor) -> Tensor:
        """uint8 (N, H, W, 3) to float32 (N, 3, H, W)."""
        # Permuting (N, H, W, 3) gives channels-last memory as it is, so nothing is copied but the conversion.
        return (frames.to(self.device).permute(0, 3, 1, 2).float() - self._mean) * self._scale
