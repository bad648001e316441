"""HRNetV2-W18-Small (Wang et al., arXiv 1908.07919): branches of four resolutions side by side, joined at 1/4.

Two of them are published, v1 with 1.5 M and v2 with 3.9 M parameters on Cityscapes (70.3 and 76.2 mIoU, "Small
models" of github.com/HRNet/HRNet-Semantic-Segmentation); their settings are those of that repository's
`experiments/cityscapes/seg_hrnet_w18_small_{v1,v2}_*.yaml`, and keys are those of its checkpoints. The ETC paper's
third student is taken to be v2, which MMSegmentation too calls W18-Small without a number; the paper's released code
holds no HRNet to tell from, so v1 has a row of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from etc_edge.models.base import initialise, size_of
from etc_edge.models.hrnet_exchange import Exchange, conv_bn, enlarge_between_centres
from etc_edge.models.resnet import Bottleneck, stage

STEM = 64


@dataclass(frozen=True)
class Layout:
    """The settings in which the published networks differ.

    Args:
        bottlenecks: number and inner width of the bottleneck blocks before the branches (stage 1).
        widths: channels of the branches at 1/4, 1/8, 1/16 and 1/32.
        modules: exchange modules of the stages with two, three and four branches.
    """

    bottlenecks: tuple[int, int]
    widths: tuple[int, int, int, int]
    modules: tuple[int, int, int]


SMALL_V1 = Layout((1, 32), (16, 32, 64, 128), (1, 1, 1))
SMALL_V2 = Layout((2, 64), (18, 36, 72, 144), (1, 3, 2))


class HRNet(nn.Module):
    """See SegmentationNetwork; logits at 1/4, no auxiliary head.

    Between its resolutions it enlarges from pixel centre to pixel centre, as the published networks do (their
    PyTorch's default); only its logits are enlarged with aligned corners when it is trained here. A published
    checkpoint is therefore exported with half-pixel upsampling.

    Args:
        classes: number of classes.
        layout: which of the published networks.
    """

    logits_stride = 4

    def __init__(self, classes: int, layout: Layout) -> None:
        super().__init__()
        blocks, width = layout.bottlenecks
        two, three, four = (layout.widths[:count] for count in (2, 3, 4))
        self.conv1 = nn.Conv2d(3, STEM, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(STEM)
        self.conv2 = nn.Conv2d(STEM, STEM, 3, 2, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(STEM)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = stage(Bottleneck, STEM, width, blocks, 1, 1)
        self.transition1 = transition([width * Bottleneck.expansion], two)
        self.stage2 = nn.Sequential(*(Exchange(two) for _ in range(layout.modules[0])))
        self.transition2 = transition(two, three)
        self.stage3 = nn.Sequential(*(Exchange(three) for _ in range(layout.modules[1])))
        self.transition3 = transition(three, four)
        self.stage4 = nn.Sequential(*(Exchange(four) for _ in range(layout.modules[2])))
        joined = sum(four)
        mix = nn.Conv2d(joined, joined, 1)
        self.last_layer = nn.Sequential(
            mix, nn.BatchNorm2d(joined), nn.ReLU(inplace=True), nn.Conv2d(joined, classes, 1)
        )
        initialise(self)
        # It has a bias, as in the published network, and still is no classifier.
        nn.init.kaiming_normal_(mix.weight, mode="fan_out", nonlinearity="relu")

    def head_parameters(self) -> Iterable[nn.Parameter]:
        """See SegmentationNetwork."""
        return self.last_layer.parameters()

    def embedding(self) -> nn.Module:
        """See SegmentationNetwork: all branches joined and mixed."""
        return self.last_layer[2]

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, Tensor | None]:
        """See SegmentationNetwork."""
        half = self.relu(self.bn1(self.conv1(images)))
        quarter = self.relu(self.bn2(self.conv2(half)))
        branches: list[Tensor] = self.stage2(widen([self.layer1(quarter)], self.transition1))
        branches = self.stage3(widen(branches, self.transition2))
        branches = self.stage4(widen(branches, self.transition3))
        size_hw = size_of(branches[0])
        coarser = [enlarge_between_centres(branch, size_hw) for branch in branches[1:]]
        logits: Tensor = self.last_layer(torch.cat([branches[0], *coarser], 1))
        return (logits, None) if self.training else logits


def transition(before: Sequence[int], after: Sequence[int]) -> nn.ModuleList:
    """From branches of the widths `before` to one branch more, of the widths `after`; no keys where nothing changes.

    The new branch halves the coarsest one's resolution; a branch of another width gets a 3×3 convolution.
    """
    layers: list[nn.Module] = []
    for index, width in enumerate(after):
        if index >= len(before):
            layers.append(nn.Sequential(conv_bn(before[-1], width, 3, 2, relu=True)))
        elif before[index] != width:
            layers.append(conv_bn(before[index], width, 3, 1, relu=True))
        else:
            layers.append(nn.Identity())
    return nn.ModuleList(layers)


def widen(branches: list[Tensor], layers: nn.ModuleList) -> list[Tensor]:
    """Apply a transition; the new branch starts from the coarsest one."""
    last = len(branches) - 1
    return [layer(branches[min(index, last)]) for index, layer in enumerate(layers)]


def hrnet_w18_small(classes: int, auxiliary: bool = False) -> HRNet:
    """HRNetV2-W18-Small-v2: 3.94 M parameters at 19 classes. It has no auxiliary head to ask for."""
    del auxiliary
    return HRNet(classes, SMALL_V2)


def hrnet_w18_small_v1(classes: int, auxiliary: bool = False) -> HRNet:
    """HRNetV2-W18-Small-v1: 1.54 M parameters and less than half of v2's work."""
    del auxiliary
    return HRNet(classes, SMALL_V1)
