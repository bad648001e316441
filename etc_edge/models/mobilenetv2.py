"""MobileNetV2 (Sandler et al. 2018) with output stride 16, for dense prediction."""

from __future__ import annotations

from torch import Tensor, nn

# Table 2 of the paper: expansion, channels, repeats, stride; the classification layers are left out.
STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
OUTPUT_STRIDE = 16


class InvertedResidual(nn.Module):
    """1×1 expansion, 3×3 depthwise, linear 1×1 projection, and a shortcut where the shape allows."""

    def __init__(self, inputs: int, outputs: int, stride: int, dilation: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        layers: list[nn.Module] = [] if expansion == 1 else [conv_bn_relu6(inputs, hidden, 1)]
        layers += [
            conv_bn_relu6(hidden, hidden, 3, stride, dilation, groups=hidden),
            nn.Conv2d(hidden, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        ]
        self.conv = nn.Sequential(*layers)
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, features: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        out: Tensor = self.conv(features)
        return features + out if self.shortcut else out


class MobileNetV2(nn.Module):
    """The feature extractor; gives features at strides 4, 8 and 16.

    The last stride-2 stage keeps its resolution and is dilated by 2 instead. Keys are `features.N.…` as in
    torchvision's published weights, up to its last inverted residual.
    """

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        channels = rounded(32 * width)
        layers: list[nn.Module] = [conv_bn_relu6(3, channels, 3, stride=2)]
        reached, dilation = 2, 1
        self.channels: dict[int, int] = {}
        self.taps: dict[int, int] = {}
        for expansion, base, repeats, stage_stride in STAGES:
            for repeat in range(repeats):
                stride = stage_stride if repeat == 0 else 1
                # The block that would have reduced still sees undilated features; those after it do not.
                own_dilation = dilation
                if reached * stride > OUTPUT_STRIDE:
                    dilation *= stride
                    stride = 1
                reached *= stride
                layers.append(InvertedResidual(channels, rounded(base * width), stride, own_dilation, expansion))
                channels = rounded(base * width)
                self.channels[reached] = channels
                self.taps[reached] = len(layers) - 1
        self.features = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> dict[int, Tensor]:
        """(N, 3, H, W) to the last features of strides 4, 8 and 16."""
        found: dict[int, Tensor] = {}
        wanted = {self.taps[stride]: stride for stride in (4, 8, 16)}
        features = images
        for index, layer in enumerate(self.features):
            features = layer(features)
            if index in wanted:
                found[wanted[index]] = features
        return found


def conv_bn_relu6(
    inputs: int, outputs: int, kernel: int, stride: int = 1, dilation: int = 1, groups: int = 1
) -> nn.Sequential:
    """Convolution without bias, batch norm, ReLU6; the size stays, or is divided by the stride."""
    padding = dilation * (kernel - 1) // 2
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU6(inplace=True),
    )


def rounded(channels: float, divisor: int = 8) -> int:
    """The multiple of 8 next to `channels`, never more than a tenth below it (the paper's reference code)."""
    result = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return result + divisor if result < 0.9 * channels else result
