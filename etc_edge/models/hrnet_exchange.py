"""One module of an HRNet stage: every resolution works by itself, then all of them exchange what they found."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from etc_edge.models.base import size_of
from etc_edge.models.resnet import BasicBlock, stage

BLOCKS = 2


class Exchange(nn.Module):
    """Two basic blocks a branch, then each branch becomes the sum of all of them brought to its resolution.

    Finer branches come down through 3×3 convolutions of stride 2, coarser ones through a 1×1 convolution and
    bilinear enlargement (section 3.2 of arXiv 1908.07919).

    Args:
        widths: channels of the branches, finest first; each has half the resolution of the one before.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(stage(BasicBlock, width, width, BLOCKS, 1, 1) for width in widths)
        every = range(len(widths))
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(_bring(widths, source, target) for source in every) for target in every
        )
        self.relu = nn.ReLU(inplace=True)

    def forward(self, branches: list[Tensor]) -> list[Tensor]:
        """One (N, width, h, w) a branch, to the same shapes."""
        worked = [blocks(branch) for blocks, branch in zip(self.branches, branches, strict=True)]
        return [self._fused(worked, target) for target in range(len(worked))]

    def _fused(self, branches: list[Tensor], target: int) -> Tensor:
        layers = self.fuse_layers[target]
        assert isinstance(layers, nn.ModuleList)
        size_hw = size_of(branches[target])
        brought = [layer(branch) for layer, branch in zip(layers, branches, strict=True)]
        brought[target + 1 :] = [enlarge_between_centres(coarse, size_hw) for coarse in brought[target + 1 :]]
        first, *others = brought
        for other in others:
            first = first + other
        fused: Tensor = self.relu(first)
        return fused


def conv_bn(inputs: int, outputs: int, kernel: int, stride: int = 1, relu: bool = False) -> nn.Sequential:
    """Convolution that keeps the size, or divides it by the stride, and batch norm; ReLU where it is asked for."""
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    if relu:
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


def enlarge_between_centres(features: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """Bilinear interpolation from pixel centre to pixel centre, as the published HRNets were trained with."""
    return functional.interpolate(features, size=size_hw, mode="bilinear", align_corners=False)


def _bring(widths: Sequence[int], source: int, target: int) -> nn.Module:
    """From one branch's channels and resolution to another's; what is coarser is enlarged after it."""
    if source == target:
        return nn.Identity()
    if source > target:
        return conv_bn(widths[source], widths[target], 1)
    steps = [conv_bn(widths[source], widths[source], 3, 2, relu=True) for _ in range(target - source - 1)]
    return nn.Sequential(*steps, conv_bn(widths[source], widths[target], 3, 2))
