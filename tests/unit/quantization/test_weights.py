from __future__ import annotations

import numpy as np
import pytest

from etc_edge.graph.qdq import quantize_weight
from etc_edge.quantization.weights import LARGEST_BIAS_CODE, weight_scales, with_room_for_bias


def squared_error(row: np.ndarray, scale: float) -> float:
    codes = np.clip(np.round(row.astype(np.float64) / scale), -127, 127)
    return float(np.sum((row - codes * scale) ** 2))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_no_scale_of_brute_force_is_much_better(axis: int) -> None:
    random = np.random.default_rng(0)
    weight = (random.standard_t(5, (5, 6, 7)) * np.geomspace(1e-3, 10, 6)[:, None]).astype(np.float32)
    scales = weight_scales(weight, axis)
    rows = np.moveaxis(weight, axis, 0).reshape(weight.shape[axis], -1)
    assert scales.shape == (weight.shape[axis],)
    for row, scale in zip(rows, scales, strict=True):
        largest = np.abs(row).max()
        least = min(squared_error(row, largest * part / 127) for part in np.linspace(0.5, 1, 401))
        assert squared_error(row, float(scale)) <= 1.25 * least
        assert squared_error(row, float(scale)) <= squared_error(row, largest / 127) * (1 + 1e-6)


def test_channels_of_zeros_are_exact() -> None:
    weight = np.zeros((3, 4), np.float32)
    weight[1] = 0.5
    scales = weight_scales(weight, 0)
    assert np.isfinite(scales).all()
    assert (scales > 1e-6).all()
    stored = quantize_weight(weight, scales, 0) * scales[:, None]
    assert stored == pytest.approx(weight, rel=1e-6)


def test_a_bias_fits_beside_a_channel_that_is_switched_off() -> None:
    scales = np.array([1e-12, 1e-3, 1e-9], np.float32)
    bias = np.array([0.5, 0.5, -2.0], np.float32)
    widened = with_room_for_bias(scales, bias, activation_scale=0.02)
    codes = bias / (0.02 * widened.astype(np.float64))
    assert np.abs(codes).max() <= LARGEST_BIAS_CODE * 1.001
    assert widened[1] == scales[1], "a channel with real weights keeps its scale"


def test_groups_share_the_wider_scale() -> None:
    scales = np.full(2, 1e-12, np.float32)
    widened = with_room_for_bias(scales, np.array([0.1, 0.2, -0.8, 0.0]), 0.01)
    assert widened == pytest.approx(np.array([0.8, 0.2]) / (0.01 * LARGEST_BIAS_CODE), rel=1e-5)
