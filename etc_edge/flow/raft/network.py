"""RAFT's large network (Teed & Deng, ECCV 2020), to run and not to train."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

# The network sees motion at one eighth of the picture's size, in four scales, each 9×9 around where a pixel goes.
STRIDE = 8
LEVELS = 4
RADIUS = 4
FEATURES = 256
HIDDEN = 128
NEIGHBOURS = 9


class Raft(nn.Module):
    """Flow by updating an estimate again and again from the correlation of all pairs of features.

    Keys are those of the authors' checkpoints of the large model, without `module.`: `fnet.conv1.weight`,
    `cnet.layer2.0.norm3.weight` (and again as `downsample.1`), `update_block.gru.convz1.weight`, …

    The correlation takes 4 · (H·W/64)² · 4/3 bytes for each pair: 122 MB at 480×640, 1.1 GB at 720×1280.
    """

    def __init__(self) -> None:
        super().__init__()
        self.fnet = Encoder(FEATURES, nn.InstanceNorm2d)
        self.cnet = Encoder(2 * HIDDEN, nn.BatchNorm2d)
        self.update_block = UpdateBlock()

    def forward(self, images: Tensor, following: Tensor, iterations: int) -> Tensor:
        """Flow from one frame to the next.

        Args:
            images: float (N, 3, H, W) from −1 to 1, red first; H and W multiples of 8 and at least 64.
            following: the next frames, of that shape.
            iterations: how often the estimate is updated.

        Returns:
            float (N, 2, H, W), displacement (x, y) in pixels.
        """
        features, next_features = self.fnet(torch.cat([images, following])).chunk(2)
        pyramid = correlation_pyramid(features, next_features)
        hidden, context = self.cnet(images).split([HIDDEN, HIDDEN], 1)
        hidden, context = hidden.tanh(), context.relu()
        start = pixel_places(features)
        places = start
        for _ in range(iterations):
            hidden, change = self.update_block(hidden, context, look_up(pyramid, places), places - start)
            places = places + change
        # The weights of upsampling depend on the last state alone: earlier ones would only supervise training.
        return upsample_convex(places - start, 0.25 * self.update_block.mask(hidden))


def correlation_pyramid(features: Tensor, next_features: Tensor) -> list[Tensor]:
    """Scaled dot products of every pixel's features with every pixel's of the next frame, at four scales.

    C(i, j) = ⟨f(i), g(j)⟩ / √D, and its means over 2×2, 4×4 and 8×8 of the next frame's pixels (section 3.2 of the
    paper).

    Args:
        features: float (N, D, h, w).
        next_features: float (N, D, h, w).

    Returns:
        For each level k: float (N·h·w, 1, h/2^k, w/2^k), rounded down.
    """
    count, depth, height, width = features.shape
    products = features.flatten(2).transpose(1, 2) @ next_features.flatten(2) / depth**0.5
    pyramid = [products.reshape(count * height * width, 1, height, width)]
    for _ in range(1, LEVELS):
        pyramid.append(functional.avg_pool2d(pyramid[-1], 2))
    return pyramid


def look_up(pyramid: list[Tensor], places: Tensor) -> Tensor:
    """Correlations in a 9×9 window around a place in the next frame, at every scale, between pixels bilinearly.

    Outside the frame they are 0. As in the authors' code, y varies fastest within a window.

    Args:
        pyramid: see `correlation_pyramid`.
        places: float (N, 2, h, w), (x, y) in pixels of the finest level.

    Returns:
        float (N, 4·81, h, w).
    """
    count, _, height, width = places.shape
    steps = torch.arange(-RADIUS, RADIUS + 1, dtype=places.dtype, device=places.device)
    window = torch.stack(torch.meshgrid(steps, steps, indexing="ij"), -1)
    centres = places.permute(0, 2, 3, 1).reshape(-1, 1, 1, 2)
    found = []
    for level, correlations in enumerate(pyramid):
        size_wh = centres.new_tensor(correlations.shape[:1:-1])
        # Edges of the frame at −1 and 1, where the authors have the centres of the outermost pixels: the same
        # samples, and a level of one pixel is no division by zero.
        grid = (2 * (centres / 2**level + window) + 1) / size_wh - 1
        sampled = functional.grid_sample(correlations, grid, align_corners=False)
        found.append(sampled.reshape(count, height, width, -1))
    return torch.cat(found, -1).permute(0, 3, 1, 2).contiguous()


def upsample_convex(flow: Tensor, mask: Tensor) -> Tensor:
    """Flow at eight times the size: each fine pixel a convex combination of the 3×3 coarse ones around it.

    Section 3.3 of the paper; the weights are the softmax of the mask over the nine, and neighbours outside the frame
    count as 0.

    Args:
        flow: float (N, 2, h, w), in coarse pixels.
        mask: float (N, 9·64, h, w): for each neighbour, row by row, the 8×8 fine pixels, row by row.

    Returns:
        float (N, 2, 8·h, 8·w), in fine pixels.
    """
    count, _, height, width = flow.shape
    weights = mask.reshape(count, 1, NEIGHBOURS, STRIDE, STRIDE, height, width).softmax(2)
    around = functional.unfold(STRIDE * flow, 3, padding=1).reshape(count, 2, NEIGHBOURS, 1, 1, height, width)
    fine = (weights * around).sum(2)
    return fine.permute(0, 1, 4, 2, 5, 3).reshape(count, 2, STRIDE * height, STRIDE * width)


def pixel_places(features: Tensor) -> Tensor:
    """Each pixel's own (x, y), float (N, 2, h, w)."""
    count, _, height, width = features.shape
    down, across = (torch.arange(size, dtype=features.dtype, device=features.device) for size in (height, width))
    y, x = torch.meshgrid(down, across, indexing="ij")
    return torch.stack([x, y]).expand(count, 2, height, width)


class Encoder(nn.Module):
    """Features of a picture at one eighth of its size: (N, 3, H, W) to (N, `outputs`, H/8, W/8)."""

    def __init__(self, outputs: int, norm: Callable[[int], nn.Module]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3)
        self.norm1 = norm(64)
        self.layer1 = nn.Sequential(ResidualBlock(64, 64, 1, norm), ResidualBlock(64, 64, 1, norm))
        self.layer2 = nn.Sequential(ResidualBlock(64, 96, 2, norm), ResidualBlock(96, 96, 1, norm))
        self.layer3 = nn.Sequential(ResidualBlock(96, 128, 2, norm), ResidualBlock(128, 128, 1, norm))
        self.conv2 = nn.Conv2d(128, outputs, 1)

    def forward(self, images: Tensor) -> Tensor:
        features = self.norm1(self.conv1(images)).relu()
        outputs: Tensor = self.conv2(self.layer3(self.layer2(self.layer1(features))))
        return outputs


class ResidualBlock(nn.Module):
    """Two convolutions beside a shortcut, which is a convolution too where the size changes."""

    def __init__(self, inputs: int, outputs: int, stride: int, norm: Callable[[int], nn.Module]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.norm1, self.norm2 = norm(outputs), norm(outputs)
        self.downsample: nn.Sequential | None = None
        if stride > 1:
            # One module under two names, since the authors' checkpoints have its values under both.
            self.norm3 = norm(outputs)
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride=stride), self.norm3)

    def forward(self, inputs: Tensor) -> Tensor:
        features = self.norm1(self.conv1(inputs)).relu()
        features = self.norm2(self.conv2(features)).relu()
        shortcut = inputs if self.downsample is None else self.downsample(inputs)
        return torch.relu(shortcut + features)


class UpdateBlock(nn.Module):
    """One step of the estimate: motion features, a recurrent state, and the change that it calls for."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = MotionEncoder()
        self.gru = SeparableGRU(2 * HIDDEN)
        self.flow_head = FlowHead()
        self.mask = nn.Sequential(
            nn.Conv2d(HIDDEN, 256, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(256, NEIGHBOURS * STRIDE**2, 1)
        )

    def forward(self, hidden: Tensor, context: Tensor, correlations: Tensor, flow: Tensor) -> tuple[Tensor, Tensor]:
        """The next state (N, 128, h, w) and the change of flow (N, 2, h, w)."""
        motion = self.encoder(flow, correlations)
        hidden = self.gru(hidden, torch.cat([context, motion], 1))
        return hidden, self.flow_head(hidden)


class MotionEncoder(nn.Module):
    """Correlations and the flow that they were looked up with as 126 features, and the flow itself."""

    def __init__(self) -> None:
        super().__init__()
        self.convc1 = nn.Conv2d(LEVELS * (2 * RADIUS + 1) ** 2, 256, 1)
        self.convc2 = nn.Conv2d(256, 192, 3, padding=1)
        self.convf1 = nn.Conv2d(2, 128, 7, padding=3)
        self.convf2 = nn.Conv2d(128, 64, 3, padding=1)
        self.conv = nn.Conv2d(192 + 64, HIDDEN - 2, 3, padding=1)

    def forward(self, flow: Tensor, correlations: Tensor) -> Tensor:
        seen = self.convc2(self.convc1(correlations).relu()).relu()
        moved = self.convf2(self.convf1(flow).relu()).relu()
        return torch.cat([self.conv(torch.cat([seen, moved], 1)).relu(), flow], 1)


class SeparableGRU(nn.Module):
    """A gated recurrent unit of convolutions, along rows and then along columns.

    z = σ(Wz [h, x]), r = σ(Wr [h, x]), q = tanh(Wq [r ⊙ h, x]), h ← (1 − z) ⊙ h + z ⊙ q
    """

    def __init__(self, inputs: int) -> None:
        super().__init__()
        for half, (kernel, padding) in enumerate((((1, 5), (0, 2)), ((5, 1), (2, 0))), 1):
            for gate in "zrq":
                convolution = nn.Conv2d(HIDDEN + inputs, HIDDEN, kernel, padding=padding)
                self.add_module(f"conv{gate}{half}", convolution)

    def forward(self, hidden: Tensor, inputs: Tensor) -> Tensor:
        for half in (1, 2):
            update, reset, candidate = (self.get_submodule(f"conv{gate}{half}") for gate in "zrq")
            both = torch.cat([hidden, inputs], 1)
            z, r = update(both).sigmoid(), reset(both).sigmoid()
            q = candidate(torch.cat([r * hidden, inputs], 1)).tanh()
            hidden = (1 - z) * hidden + z * q
        return hidden


class FlowHead(nn.Module):
    """The change of flow that a state calls for: (N, 128, h, w) to (N, 2, h, w)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(HIDDEN, 256, 3, padding=1)
        self.conv2 = nn.Conv2d(256, 2, 3, padding=1)

    def forward(self, hidden: Tensor) -> Tensor:
        change: Tensor = self.conv2(self.conv1(hidden).relu())
        return change
