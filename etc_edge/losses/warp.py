"""Bringing another frame's tensors back to the first frame along optical flow."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def warp(other: Tensor, flow: Tensor) -> Tensor:
    """Sample a frame where each pixel of the first one goes, bilinearly; the border is continued outside.

    Args:
        other: float (N, C, H, W), of the frame that the flow leads to.
        flow: float32 (N, H, W, 2), displacement (x, y) in pixels.

    Returns:
        (N, C, H, W) with gradient to `other`.
    """
    height, width = int(flow.shape[1]), int(flow.shape[2])
    across = torch.arange(width, dtype=flow.dtype, device=flow.device)
    down = torch.arange(height, dtype=flow.dtype, device=flow.device)[:, None]
    # grid_sample with aligned corners counts from −1, the first pixel's centre, to 1, the last one's.
    x = (flow[..., 0] + across) * (2.0 / max(width - 1, 1)) - 1.0
    y = (flow[..., 1] + down) * (2.0 / max(height - 1, 1)) - 1.0
    grid = torch.stack((x, y), -1)
    return functional.grid_sample(other, grid, mode="bilinear", padding_mode="border", align_corners=True)


def inside(flow: Tensor) -> Tensor:
    """Pixels whose flow stays in the frame, bool (N, H, W), of flow (N, H, W, 2)."""
    height, width = int(flow.shape[1]), int(flow.shape[2])
    x = flow[..., 0] + torch.arange(width, dtype=flow.dtype, device=flow.device)
    y = flow[..., 1] + torch.arange(height, dtype=flow.dtype, device=flow.device)[:, None]
    stays: Tensor = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return stays
