"""ESPNet (Mehta et al. 2018): dilated pyramids, transposed convolutions, PReLU and many concatenations."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from etc_edge.models.base import initialise

DILATIONS = (1, 2, 4, 8, 16)


def bn_prelu(channels: int) -> nn.Sequential:
    """Batch norm and PReLU with one slope a channel."""
    return nn.Sequential(nn.BatchNorm2d(channels, eps=1e-3), nn.PReLU(channels))


def conv_bn_prelu(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Convolution that keeps the size, or divides it by the stride; batch norm; PReLU."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, (kernel - 1) // 2, bias=False)
    return nn.Sequential(conv, *bn_prelu(outputs))


class PyramidBlock(nn.Module):
    """The efficient spatial pyramid: reduce, five dilated 3×3 branches, sums from branch to branch, joined.

    With stride 2 the reduction is a 3×3 convolution of stride 2. The sums (hierarchical feature fusion) take
    away the grid that dilation leaves; section 3.1 of the paper.
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1, shortcut: bool = True) -> None:
        super().__init__()
        narrow = outputs // len(DILATIONS)
        first = outputs - (len(DILATIONS) - 1) * narrow
        kernel = 1 if stride == 1 else 3
        self.reduce = nn.Conv2d(inputs, narrow, kernel, stride, kernel // 2, bias=False)
        self.branches = nn.ModuleList(
            nn.Conv2d(narrow, first if rate == 1 else narrow, 3, 1, rate, rate, bias=False) for rate in DILATIONS
        )
        self.shortcut = shortcut and stride == 1 and inputs == outputs
        self.activate = bn_prelu(outputs)

    def forward(self, features: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        reduced = self.reduce(features)
        direct, *dilated = [branch(reduced) for branch in self.branches]
        joined = [direct, dilated[0]]
        for branch in dilated[1:]:
            joined.append(joined[-1] + branch)
        out = torch.cat(joined, 1)
        activated: Tensor = self.activate(features + out if self.shortcut else out)
        return activated


class ESPNet(nn.Module):
    """See SegmentationNetwork; logits at full size, no auxiliary head. Height and width must be multiples of 8.

    Args:
        classes: number of classes.
        second: pyramid blocks at stride 4 (α2 of the paper).
        third: pyramid blocks at stride 8 (α3 of the paper).
    """

    logits_stride = 1

    def __init__(self, classes: int, second: int = 2, third: int = 8) -> None:
        super().__init__()
        self.shrink = nn.AvgPool2d(3, 2, 1)
        self.level1 = conv_bn_prelu(3, 16, 3, 2)
        self.join1 = bn_prelu(16 + 3)
        self.down2 = PyramidBlock(16 + 3, 64, stride=2)
        self.level2 = nn.Sequential(*(PyramidBlock(64, 64) for _ in range(second)))
        self.join2 = bn_prelu(128 + 3)
        self.down3 = PyramidBlock(128 + 3, 128, stride=2)
        self.level3 = nn.Sequential(*(PyramidBlock(128, 128) for _ in range(third)))
        self.join3 = bn_prelu(256)
        self.score3 = nn.Conv2d(256, classes, 1, bias=False)
        self.up3 = nn.Sequential(
            nn.BatchNorm2d(classes, eps=1e-3), nn.ConvTranspose2d(classes, classes, 2, 2, bias=False)
        )
        self.score2 = nn.Conv2d(128 + 3, classes, 1, bias=False)
        mixed = max(classes, len(DILATIONS))  # every branch of a pyramid needs a channel
        self.mix2 = nn.Sequential(bn_prelu(2 * classes), PyramidBlock(2 * classes, mixed, shortcut=False))
        self.up2 = nn.Sequential(nn.ConvTranspose2d(mixed, classes, 2, 2, bias=False), bn_prelu(classes))
        self.mix1 = conv_bn_prelu(16 + 3 + classes, classes, 3)
        self.cls = nn.ConvTranspose2d(classes, classes, 2, 2, bias=False)
        initialise(self)

    def head_parameters(self) -> Iterable[nn.Parameter]:
        """See SegmentationNetwork; all of it starts from nothing."""
        return self.parameters()

    def embedding(self) -> nn.Module:
        """See SegmentationNetwork."""
        return self.join3

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, Tensor | None]:
        """See SegmentationNetwork."""
        half = self.shrink(images)
        quarter = self.shrink(half)
        fine = self.join1(torch.cat([self.level1(images), half], 1))
        reduced2 = self.down2(fine)
        middle = self.join2(torch.cat([self.level2(reduced2), reduced2, quarter], 1))
        reduced3 = self.down3(middle)
        coarse = self.join3(torch.cat([reduced3, self.level3(reduced3)], 1))
        up3 = self.up3(self.score3(coarse))
        up2 = self.up2(self.mix2(torch.cat([self.score2(middle), up3], 1)))
        logits: Tensor = self.cls(self.mix1(torch.cat([up2, fine], 1)))
        return (logits, None) if self.training else logits


def espnet(classes: int, auxiliary: bool = False) -> ESPNet:
    """ESPNet with α2 = 2 and α3 = 8: 0.36 M parameters. It has no auxiliary head to ask for."""
    del auxiliary
    return ESPNet(classes)
