"""Residual stages with output stride 8, in the layout of the ETC authors' checkpoints."""

from __future__ import annotations

from torch import Tensor, nn


class BasicBlock(nn.Module):
    """Two 3×3 convolutions and a shortcut; only `conv2` is dilated."""

    expansion = 1

    def __init__(self, inputs: int, width: int, stride: int, dilation: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, dilation, dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(inputs, width, stride)

    def forward(self, features: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, width, H / stride, W / stride)."""
        out = self.relu(self.bn1(self.conv1(features)))
        out = self.bn2(self.conv2(out))
        shortcut = features if self.downsample is None else self.downsample(features)
        joined: Tensor = self.relu(out + shortcut)
        return joined


class Bottleneck(nn.Module):
    """1×1, 3×3, 1×1 and a shortcut; only `conv2` is dilated, and it carries the stride."""

    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int, dilation: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, dilation, dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, width * self.expansion, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(width * self.expansion)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(inputs, width * self.expansion, stride)

    def forward(self, features: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, 4·width, H / stride, W / stride)."""
        out = self.relu(self.bn1(self.conv1(features)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        shortcut = features if self.downsample is None else self.downsample(features)
        joined: Tensor = self.relu(out + shortcut)
        return joined


Block = type[BasicBlock] | type[Bottleneck]


def stem() -> nn.Sequential:
    """7×7 convolution of stride 2 to 64 channels and 3×3 max pooling of stride 2."""
    return nn.Sequential(
        nn.Conv2d(3, 64, 7, 2, 3, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 2, 1),
    )


def stage(block: Block, inputs: int, width: int, blocks: int, stride: int, dilation: int) -> nn.Sequential:
    """`blocks` blocks of which the first has the stride and may change the number of channels."""
    layers: list[nn.Module] = [block(inputs, width, stride, dilation)]
    layers += [block(width * block.expansion, width, 1, dilation) for _ in range(blocks - 1)]
    return nn.Sequential(*layers)


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Sequential | None:
    if stride == 1 and inputs == outputs:
        return None
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
