"""The role of a network and the parts that several of them share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional


class SegmentationNetwork(Protocol):
    """What every network of the table is, besides an `nn.Module`.

    Its input is float (N, 3, H, W), normalised. In evaluation it returns the logits, float (N, classes, h, w)
    at `logits_stride` (h ≈ H / stride, rounded up); nothing is enlarged to the input's size, which is the
    graph's or the loss's task. In training it returns (logits, auxiliary logits), the second None where the
    network has no auxiliary head.
    """

    logits_stride: int

    def head_parameters(self) -> Iterable[nn.Parameter]:
        """Parameters that no pre-trained start covers and that are trained at the heads' rate."""

    def embedding(self) -> nn.Module:
        """The part whose output, float (N, D, h', w'), says what each place is about: distillation compares it."""


Outputs = Tensor | tuple[Tensor, Tensor | None]


class AdaptivePool(nn.Module):
    """Adaptive average pooling to `bins` × `bins`."""

    def __init__(self, bins: int) -> None:
        super().__init__()
        self.bins = bins

    def forward(self, features: Tensor) -> Tensor:
        """Pool (N, C, H, W) to (N, C, bins, bins)."""
        return functional.adaptive_avg_pool2d(features, self.bins)


class MatrixPool(nn.Module):
    """Adaptive average pooling of a fixed size as two constant matrix products, exact for any size and bins.

    Cell i of b over n rows averages rows floor(i·n/b) to ceil((i+1)·n/b) − 1, as torch's adaptive pooling does;
    the mean over a rectangle is the mean over rows of the means over columns.
    """

    rows: Tensor
    columns: Tensor

    def __init__(self, bins: int, size_hw: tuple[int, int]) -> None:
        super().__init__()
        self.register_buffer("rows", averaging_matrix(size_hw[0], bins))
        self.register_buffer("columns", averaging_matrix(size_hw[1], bins).T.contiguous())

    def forward(self, features: Tensor) -> Tensor:
        """Pool (N, C, H, W) to (N, C, bins, bins)."""
        return torch.matmul(self.rows, torch.matmul(features, self.columns))


def averaging_matrix(size: int, bins: int) -> Tensor:
    """The matrix (bins, size) that averages `size` values into `bins` adaptive cells."""
    matrix = torch.zeros(bins, size)
    for cell in range(bins):
        first, last = cell * size // bins, -(-(cell + 1) * size // bins)
        matrix[cell, first:last] = 1.0 / (last - first)
    return matrix


def enlarge(features: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """Bilinear interpolation with aligned corners, as everywhere in these networks."""
    return functional.interpolate(features, size=size_hw, mode="bilinear", align_corners=True)


def size_of(features: Tensor) -> tuple[int, int]:
    """Height and width of (N, C, H, W) as plain numbers, so that an exported graph holds constants."""
    return int(features.shape[2]), int(features.shape[3])


def initialise(module: nn.Module) -> None:
    """He initialisation of convolutions (fan out), unit batch norm, as in He et al. 2015 and 2016."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
            if part.bias is not None:
                # Only classifiers have a bias. Their few outputs would make He's logits so large that the first
                # hundred steps do nothing but shrink them.
                nn.init.normal_(part.weight, std=0.01)
                nn.init.zeros_(part.bias)
        elif isinstance(part, nn.BatchNorm2d):
            nn.init.ones_(part.weight)
            nn.init.zeros_(part.bias)
