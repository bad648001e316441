"""A compact PSPNet on MobileNetV2 for real time on a CPU.

Pyramid pooling at stride 16 gives context; two light decoder steps bring back the edges and the thin classes
(poles, signs) from strides 8 and 4. Only convolution, ReLU, ReLU6, addition, concatenation, pooling and
resizing occur, so the whole network runs in INT8.
"""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor, nn

from etc_edge.models.base import enlarge, initialise, size_of
from etc_edge.models.mobilenetv2 import MobileNetV2, conv_bn_relu6
from etc_edge.models.pspnet import PyramidPooling


class Merge(nn.Module):
    """One decoder step: enlarged context plus a 1×1 view of finer features, through one separable convolution."""

    def __init__(self, context: int, skip: int, width: int) -> None:
        super().__init__()
        self.context = nn.Sequential(nn.Conv2d(context, width, 1, bias=False), nn.BatchNorm2d(width))
        self.skip = nn.Sequential(nn.Conv2d(skip, width, 1, bias=False), nn.BatchNorm2d(width))
        self.relu = nn.ReLU(inplace=True)
        self.mix = nn.Sequential(conv_bn_relu6(width, width, 3, groups=width), conv_bn_relu6(width, width, 1))

    def forward(self, context: Tensor, skip: Tensor) -> Tensor:
        """(N, context, h, w) and (N, skip, H, W) to (N, width, H, W)."""
        merged = enlarge(self.context(context), size_of(skip)) + self.skip(skip)
        out: Tensor = self.mix(self.relu(merged))
        return out


class PSPNetMobileNetV2(nn.Module):
    """See SegmentationNetwork; logits at 1/4, an auxiliary head on the features of stride 16.

    Args:
        classes: number of classes.
        width: multiplier of MobileNetV2's channels; 1.0 fits ImageNet weights.
        head: channels of the context after pyramid pooling.
        decoder: channels of the decoder at strides 8 and 4.
        auxiliary: whether to build the auxiliary head, which only training runs.
    """

    logits_stride = 4

    def __init__(
        self,
        classes: int,
        width: float = 1.0,
        head: int = 128,
        decoder: tuple[int, int] = (96, 64),
        auxiliary: bool = True,
    ) -> None:
        super().__init__()
        self.backbone = MobileNetV2(width)
        deep = self.backbone.channels[16]
        self.reduce = conv_bn_relu6(deep, head, 1)
        self.ppm = PyramidPooling(head, head // 4)
        self.context = conv_bn_relu6(2 * head, head, 3)
        self.merge8 = Merge(head, self.backbone.channels[8], decoder[0])
        self.merge4 = Merge(decoder[0], self.backbone.channels[4], decoder[1])
        self.cls = nn.Sequential(nn.Dropout2d(0.1), nn.Conv2d(decoder[1], classes, 1))
        self.aux = (
            nn.Sequential(conv_bn_relu6(deep, head // 2, 1), nn.Conv2d(head // 2, classes, 1)) if auxiliary else None
        )
        initialise(self)

    def head_parameters(self) -> Iterable[nn.Parameter]:
        """See SegmentationNetwork."""
        backbone = {id(parameter) for parameter in self.backbone.parameters()}
        return (parameter for parameter in self.parameters() if id(parameter) not in backbone)

    def embedding(self) -> nn.Module:
        """See SegmentationNetwork."""
        return self.context

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, Tensor | None]:
        """See SegmentationNetwork."""
        features = self.backbone(images)
        context = self.context(self.ppm(self.reduce(features[16])))
        decoded = self.merge4(self.merge8(context, features[8]), features[4])
        logits: Tensor = self.cls(decoded)
        if not self.training:
            return logits
        return logits, None if self.aux is None else self.aux(features[16])


def pspnet_mobilenetv2(classes: int, auxiliary: bool = True) -> PSPNetMobileNetV2:
    """The compact network for a CPU."""
    return PSPNetMobileNetV2(classes, auxiliary=auxiliary)


def street_small(classes: int, auxiliary: bool = True) -> PSPNetMobileNetV2:
    """A third of its width, for the synthetic street of the demo."""
    return PSPNetMobileNetV2(classes, 0.35, head=64, decoder=(32, 32), auxiliary=auxiliary)
