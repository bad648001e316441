"""Warping against torch's grid_sample and by hand."""

from __future__ import annotations

import numpy as np
import pytest

from etc_edge.flow.warp import warp_bilinear, warp_nearest


def random_case(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 255, (14, 19, 3)).astype(np.uint8), rng.normal(0, 4, (14, 19, 2)).astype(np.float32)


def test_bilinear_is_grid_samples() -> None:
    torch = pytest.importorskip("torch")
    image, flow = random_case(0)
    height, width = flow.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    grid = np.stack([(x + flow[..., 0]) / (width - 1), (y + flow[..., 1]) / (height - 1)], -1) * 2 - 1
    batch = torch.from_numpy(image.astype(np.float32).transpose(2, 0, 1))[None]
    sampled = torch.nn.functional.grid_sample(
        batch, torch.from_numpy(grid)[None], padding_mode="border", align_corners=True
    )
    found, valid = warp_bilinear(image, flow)
    # OpenCV places samples on a grid of 1/32 pixel.
    np.testing.assert_allclose(found, sampled[0].numpy().transpose(1, 2, 0), atol=255 / 32 * 1.5)
    assert valid.any()
    assert not valid.all()


def test_nearest_takes_whole_values_and_marks_what_leaves() -> None:
    labels = np.arange(6, dtype=np.uint8).reshape(2, 3)
    flow = np.zeros((2, 3, 2), np.float32)
    flow[0, 0] = (1.4, 0.6)
    flow[0, 1] = (-1.6, 0)
    flow[0, 2] = (0.49, 0)
    flow[1, 0] = (0, 0.5)
    flow[1, 1] = (0.5, 0)
    flow[1, 2] = (-0.5, 0)
    found, valid = warp_nearest(labels, flow)
    np.testing.assert_array_equal(found, [[4, 0, 2], [3, 5, 5]])
    np.testing.assert_array_equal(valid, [[True, False, True], [False, True, True]])


def test_nearest_and_bilinear_agree_on_whole_steps() -> None:
    image, flow = random_case(2)
    whole = np.rint(flow)
    nearest, valid = warp_nearest(image, whole)
    bilinear, valid_too = warp_bilinear(image, whole)
    np.testing.assert_array_equal(valid, valid_too)
    np.testing.assert_array_equal(nearest[valid], bilinear[valid].astype(np.uint8))


def test_no_flow_changes_nothing() -> None:
    image, flow = random_case(3)
    for warp in (warp_nearest, warp_bilinear):
        found, valid = warp(image, np.zeros_like(flow))
        np.testing.assert_array_equal(found, image)
        assert valid.all()


def test_wild_flow_is_merely_not_valid() -> None:
    image, flow = random_case(4)
    flow[:] = 1e9
    assert not warp_nearest(image, flow)[1].any()
    assert not warp_bilinear(image, flow)[1].any()
