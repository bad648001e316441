"""RAFT's parts against loops written by hand, its layout against the authors', its outcome against torchvision's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from etc_edge.flow.raft.network import (
    Raft,
    SeparableGRU,
    correlation_pyramid,
    look_up,
    pixel_places,
    upsample_convex,
)
from tests.drawn_raft import drawn_state

Layout = dict[str, tuple[int, ...]]


@pytest.fixture(scope="module")
def network() -> Raft:
    torch.manual_seed(0)
    return Raft().eval()


def convolution(key: str, outputs: int, inputs: int, *kernel: int) -> Layout:
    return {f"{key}.weight": (outputs, inputs, *kernel), f"{key}.bias": (outputs,)}


def batch_norm(key: str, width: int) -> Layout:
    parts = ("weight", "bias", "running_mean", "running_var")
    return {f"{key}.{part}": (width,) for part in parts} | {f"{key}.num_batches_tracked": ()}


def encoder_layout(key: str, normed: bool) -> Layout:
    layout = convolution(f"{key}.conv1", 64, 3, 7, 7) | convolution(f"{key}.conv2", 256, 128, 1, 1)
    norms = {"norm1": 64}
    for layer, (inputs, width) in enumerate([(64, 64), (64, 96), (96, 128)], 1):
        for block, seen in enumerate([inputs, width]):
            at = f"layer{layer}.{block}"
            layout |= convolution(f"{key}.{at}.conv1", width, seen, 3, 3)
            layout |= convolution(f"{key}.{at}.conv2", width, width, 3, 3)
            norms |= {f"{at}.norm1": width, f"{at}.norm2": width}
        if layer > 1:
            layout |= convolution(f"{key}.layer{layer}.0.downsample.0", width, inputs, 1, 1)
            norms |= {f"layer{layer}.0.norm3": width, f"layer{layer}.0.downsample.1": width}
    if normed:
        for at, width in norms.items():
            layout |= batch_norm(f"{key}.{at}", width)
    return layout


def authors_layout() -> Layout:
    """Keys and shapes of `raft-things.pth`, `raft-sintel.pth`, …, without `module.`."""
    layout = encoder_layout("fnet", normed=False) | encoder_layout("cnet", normed=True)
    motion, gru, head = (f"update_block.{part}" for part in ("encoder", "gru", "flow_head"))
    layout |= convolution(f"{motion}.convc1", 256, 324, 1, 1) | convolution(f"{motion}.convc2", 192, 256, 3, 3)
    layout |= convolution(f"{motion}.convf1", 128, 2, 7, 7) | convolution(f"{motion}.convf2", 64, 128, 3, 3)
    layout |= convolution(f"{motion}.conv", 126, 256, 3, 3)
    for gate in "zrq":
        layout |= convolution(f"{gru}.conv{gate}1", 128, 384, 1, 5) | convolution(f"{gru}.conv{gate}2", 128, 384, 5, 1)
    layout |= convolution(f"{head}.conv1", 256, 128, 3, 3) | convolution(f"{head}.conv2", 2, 256, 3, 3)
    mask = convolution("update_block.mask.0", 256, 128, 3, 3) | convolution("update_block.mask.2", 576, 256, 1, 1)
    return layout | mask


def test_keys_and_shapes_are_those_of_the_authors_checkpoints(network: Raft) -> None:
    layout = authors_layout()
    assert len(layout) == 179
    assert {key: tuple(value.shape) for key, value in network.state_dict().items()} == layout


def test_has_as_many_parameters_as_raft_large(network: Raft) -> None:
    assert sum(parameter.numel() for parameter in network.parameters()) == 5_257_536


def test_correlation_is_every_product_and_its_means() -> None:
    first, second = (torch.randn(2, 6, 8, 11, generator=torch.Generator().manual_seed(seed)) for seed in (1, 2))
    pyramid = correlation_pyramid(first, second)
    exact = np.einsum("ndyx,ndvu->nyxvu", first.numpy(), second.numpy()) / np.sqrt(6)
    assert [tuple(level.shape) for level in pyramid] == [
        (2 * 88, 1, 8, 11),
        (2 * 88, 1, 4, 5),
        (2 * 88, 1, 2, 2),
        (2 * 88, 1, 1, 1),
    ]
    np.testing.assert_allclose(pyramid[0].numpy(), exact.reshape(176, 1, 8, 11), atol=1e-5)
    means = exact[..., :8].reshape(2, 8, 11, 1, 8, 1, 8).mean((4, 6))
    np.testing.assert_allclose(pyramid[3].numpy(), means.reshape(176, 1, 1, 1), atol=1e-5)


def bilinear(values: np.ndarray, x: float, y: float) -> float:
    """A value between pixels of (h, w), 0 outside."""
    left, top = int(np.floor(x)), int(np.floor(y))
    total = 0.0
    for column, row in ((left, top), (left + 1, top), (left, top + 1), (left + 1, top + 1)):
        if 0 <= column < values.shape[1] and 0 <= row < values.shape[0]:
            total += values[row, column] * (1 - abs(x - column)) * (1 - abs(y - row))
    return total


def test_look_up_is_bilinear_in_a_window_at_every_level() -> None:
    generator = torch.Generator().manual_seed(3)
    height, width = 8, 9
    first, second = (torch.randn(1, 4, height, width, generator=generator) for _ in range(2))
    places = pixel_places(first) + 3 * torch.randn(1, 2, height, width, generator=generator)
    pyramid = correlation_pyramid(first, second)
    found = look_up(pyramid, places).numpy()
    assert found.shape == (1, 4 * 81, height, width)
    for row, column in ((0, 0), (3, 5), (7, 8), (5, 0)):
        x, y = places[0, :, row, column].tolist()
        expected = [
            bilinear(pyramid[level][row * width + column, 0].numpy(), x / 2**level + across, y / 2**level + down)
            for level in range(4)
            for across in range(-4, 5)
            for down in range(-4, 5)
        ]
        np.testing.assert_allclose(found[0, :, row, column], expected, atol=1e-5)


def test_look_up_at_whole_places_takes_the_correlation_itself() -> None:
    features = torch.eye(64).reshape(1, 64, 8, 8)
    centre = look_up(correlation_pyramid(features, features), pixel_places(features))[0, 40]
    np.testing.assert_allclose(centre.numpy(), np.full((8, 8), 1 / 8), atol=1e-6)


def test_convex_upsampling_is_the_loop_over_fine_pixels() -> None:
    generator = torch.Generator().manual_seed(4)
    height, width = 2, 3
    flow = torch.randn(2, 2, height, width, generator=generator)
    mask = torch.randn(2, 9 * 64, height, width, generator=generator)
    found = upsample_convex(flow, mask).numpy()
    weights = mask.reshape(2, 9, 8, 8, height, width).numpy().astype(np.float64)
    padded = np.pad(8 * flow.numpy(), ((0, 0), (0, 0), (1, 1), (1, 1)))
    expected = np.empty((2, 2, 8 * height, 8 * width))
    for n, y, x in np.ndindex(2, 8 * height, 8 * width):
        row, column = y // 8, x // 8
        share = np.exp(weights[n, :, y % 8, x % 8, row, column])
        around = padded[n, :, row : row + 3, column : column + 3].reshape(2, 9)
        expected[n, :, y, x] = around @ share / share.sum()
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_upsampling_keeps_what_is_the_same_everywhere() -> None:
    flow = torch.tensor([2.0, -1.0]).reshape(1, 2, 1, 1).expand(1, 2, 4, 5)
    inside = upsample_convex(flow, torch.randn(1, 576, 4, 5))[0, :, 8:-8, 8:-8].numpy()
    np.testing.assert_allclose(inside[0], 16, rtol=1e-5)
    np.testing.assert_allclose(inside[1], -8, rtol=1e-5)


def test_a_gru_without_weights_halves_its_state_twice() -> None:
    gru = SeparableGRU(16)
    with torch.no_grad():
        for parameter in gru.parameters():
            parameter.zero_()
        hidden = torch.randn(1, 128, 3, 4)
        torch.testing.assert_close(gru(hidden, torch.randn(1, 16, 3, 4)), hidden / 4)


def test_no_update_is_no_flow_and_the_smallest_frame_works(network: Raft) -> None:
    images = torch.rand(2, 3, 64, 72) * 2 - 1
    with torch.inference_mode():
        assert not network(images, images, 0).any()
        flow = network(images, images.flip(3), 2)
    assert flow.shape == (2, 2, 64, 72)
    assert flow.isfinite().all()


def test_each_pair_of_a_batch_is_as_it_is_alone(network: Raft) -> None:
    images, following = (torch.rand(2, 3, 64, 64) * 2 - 1 for _ in range(2))
    with torch.inference_mode():
        together = network(images, following, 2)
        alone = torch.cat([network(images[i : i + 1], following[i : i + 1], 2) for i in range(2)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)


def test_gives_what_torchvisions_network_gives() -> None:
    """The values are those of torchvision 0.29's `raft_large` with these tensors under its names, and 3 updates."""
    network = Raft().eval()
    network.load_state_dict(drawn_state())
    rng = np.random.default_rng(8)
    images, following = (torch.from_numpy(rng.random((1, 3, 128, 136))).float() * 2 - 1 for _ in range(2))
    with torch.inference_mode():
        flow = network(images, following, 3)[0].numpy()
    theirs = {
        (0, 0): (-2.587662696838379, 4.141523361206055),
        (64, 64): (-8.920408248901367, -6.003271102905273),
        (127, 135): (-4.423712730407715, -0.7724584341049194),
        (20, 100): (-8.092032432556152, -2.879110336303711),
        (90, 11): (-2.9453232288360596, 4.671167373657227),
    }
    for (row, column), expected in theirs.items():
        np.testing.assert_allclose(flow[:, row, column], expected, atol=1e-3)
    np.testing.assert_allclose(flow.mean((1, 2)), (-7.502617835998535, -0.9895057678222656), atol=1e-3)
