"""Warping in torch against the one in numpy and OpenCV, and flow by hand."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from etc_edge.flow.warp import warp_bilinear
from etc_edge.losses.warp import inside, warp


@given(st.integers(0, 2**31))
def test_it_samples_as_the_metric_does(seed: int) -> None:
    rng = np.random.default_rng(seed)
    image = rng.random((9, 13, 3)).astype(np.float32)
    flow = rng.uniform(-5, 5, (9, 13, 2)).astype(np.float32)
    expected, valid = warp_bilinear(image, flow)
    found = warp(torch.from_numpy(image).permute(2, 0, 1)[None], torch.from_numpy(flow)[None])[0].permute(1, 2, 0)
    # OpenCV places its samples on a grid of 1/32 pixel.
    assert np.abs(found.numpy() - expected).max() < 0.05
    assert np.array_equal(inside(torch.from_numpy(flow)[None])[0].numpy(), valid)


def test_a_shift_by_whole_pixels() -> None:
    image = torch.arange(12.0).view(1, 1, 3, 4)
    flow = torch.zeros(1, 3, 4, 2)
    flow[..., 0] = 1.0
    assert torch.equal(warp(image, flow)[0, 0, :, :3], image[0, 0, :, 1:])
    assert torch.equal(warp(image, flow)[0, 0, :, 3], image[0, 0, :, 3]), "the border goes on"
    assert inside(flow)[0, 0].tolist() == [True, True, True, False]


def test_half_a_pixel_is_the_mean_of_two() -> None:
    image = torch.tensor([0.0, 4.0, 8.0]).view(1, 1, 1, 3)
    flow = torch.zeros(1, 1, 3, 2)
    flow[..., 0] = 0.5
    torch.testing.assert_close(warp(image, flow)[0, 0, 0], torch.tensor([2.0, 6.0, 8.0]))


def test_the_gradient_goes_to_the_sampled_pixels() -> None:
    image = torch.zeros(1, 1, 1, 3, requires_grad=True)
    flow = torch.zeros(1, 1, 3, 2)
    flow[..., 0] = 0.25
    warp(image, flow)[0, 0, 0, 0].backward()
    assert image.grad is not None
    torch.testing.assert_close(image.grad[0, 0, 0], torch.tensor([0.75, 0.25, 0.0]))
