"""PSPNet (Zhao et al. 2017) on ResNet-18, -50 and -101, as the ETC authors built it."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from etc_edge.models.base import AdaptivePool, enlarge, initialise, size_of
from etc_edge.models.resnet import BasicBlock, Block, Bottleneck, stage, stem

BINS = (1, 2, 3, 6)


class PyramidPooling(nn.Module):
    """Means over 1, 4, 9 and 36 cells, each through a 1×1 convolution, enlarged and joined to the features."""

    def __init__(self, inputs: int, width: int, bins: tuple[int, ...] = BINS) -> None:
        super().__init__()
        self.features = nn.ModuleList(
            nn.Sequential(
                AdaptivePool(count),
                nn.Conv2d(inputs, width, 1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
            )
            for count in bins
        )

    def forward(self, features: Tensor) -> Tensor:
        """(N, inputs, h, w) to (N, inputs + bins·width, h, w)."""
        size_hw = size_of(features)
        return torch.cat([features, *(enlarge(branch(features), size_hw) for branch in self.features)], 1)


class PSPNet(nn.Module):
    """See SegmentationNetwork; logits at 1/8, an auxiliary head on `layer3`.

    Keys are those of the authors' checkpoints: `layer0.0.weight`, `layer1.0.conv1.weight`, `ppm.features.0.1.weight`,
    `cls.4.bias`, `aux.4.bias`. The auxiliary head is built only on request, since inference never runs it.
    """

    logits_stride = 8

    def __init__(
        self, block: Block, blocks: tuple[int, int, int, int], classes: int, head: int, auxiliary: bool = True
    ) -> None:
        super().__init__()
        widths = [width * block.expansion for width in (64, 128, 256, 512)]
        self.layer0 = stem()
        self.layer1 = stage(block, 64, 64, blocks[0], 1, 1)
        self.layer2 = stage(block, widths[0], 128, blocks[1], 2, 1)
        self.layer3 = stage(block, widths[1], 256, blocks[2], 1, 2)
        self.layer4 = stage(block, widths[2], 512, blocks[3], 1, 4)
        self.ppm = PyramidPooling(widths[3], widths[3] // len(BINS))
        self.cls = _classifier(2 * widths[3], head, classes)
        self.aux = _classifier(widths[2], 256, classes) if auxiliary else None
        initialise(self)

    def head_parameters(self) -> Iterable[nn.Parameter]:
        """See SegmentationNetwork."""
        for part in (self.ppm, self.cls, self.aux):
            if part is not None:
                yield from part.parameters()

    def embedding(self) -> nn.Module:
        """See SegmentationNetwork."""
        return self.layer4

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, Tensor | None]:
        """See SegmentationNetwork."""
        middle = self.layer3(self.layer2(self.layer1(self.layer0(images))))
        logits: Tensor = self.cls(self.ppm(self.layer4(middle)))
        if not self.training:
            return logits
        return logits, None if self.aux is None else self.aux(middle)


def _classifier(inputs: int, width: int, classes: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
        nn.Dropout2d(0.1),
        nn.Conv2d(width, classes, 1),
    )


def pspnet18(classes: int, auxiliary: bool = True) -> PSPNet:
    """PSPNet-18: 13.80 M parameters without the auxiliary head at 19 classes."""
    return PSPNet(BasicBlock, (2, 2, 2, 2), classes, 256, auxiliary)


def pspnet50(classes: int, auxiliary: bool = True) -> PSPNet:
    """PSPNet-50."""
    return PSPNet(Bottleneck, (3, 4, 6, 3), classes, 512, auxiliary)


def pspnet101(classes: int, auxiliary: bool = True) -> PSPNet:
    """PSPNet-101, the teacher of the paper."""
    return PSPNet(Bottleneck, (3, 4, 23, 3), classes, 512, auxiliary)
