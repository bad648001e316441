"""Scales of weights: one an output channel with the least squared error, or one for the whole weight."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from etc_edge.graph.grid import SMALLEST_SCALE

FRACTIONS = np.linspace(1.0, 0.5, 51)

LARGEST_BIAS_CODE = 2**30
"""Biases are kept below half of the 32-bit range; the other half is for the sum of products."""


Granularity = Literal["channel", "tensor"]
"""`channel`: a scale an output channel, with the least squared error. `tensor`: one scale that covers every value, as
engines without scales a channel need it; networks with depthwise convolutions lose most by it."""


def weight_scales(weight: npt.NDArray[Any], axis: int) -> npt.NDArray[np.float32]:
    """Scales of signed symmetric int8 codes (−127…127), one an entry of `axis`, that minimise Σ (w − Q(w))².

    Fractions from 1 to 0.5 of each channel's largest magnitude are tried.

    Args:
        weight: any shape, float32.
        axis: the axis of output channels.

    Returns:
        float32 (channels,).
    """
    rows = np.moveaxis(weight, axis, 0).reshape(weight.shape[axis], -1).astype(np.float64)
    largest = np.abs(rows).max(axis=1)
    largest[largest == 0.0] = 1.0  # a channel of zeros is exact on any grid
    best, least = np.maximum(largest / 127, SMALLEST_SCALE), np.full(len(rows), np.inf)
    for fraction in FRACTIONS:
        scale = np.maximum(largest * fraction / 127, SMALLEST_SCALE)
        codes = np.clip(np.round(rows / scale[:, None]), -127, 127)
        error = ((rows - codes * scale[:, None]) ** 2).sum(axis=1)
        better = error < least
        best, least = np.where(better, scale, best), np.minimum(error, least)
    scales: npt.NDArray[np.float32] = best.astype(np.float32)
    return scales


def tensor_scale(weight: npt.NDArray[Any], axis: int) -> npt.NDArray[np.float32]:
    """The scale of signed symmetric int8 codes (−127…127) that covers every value of a weight, float32 (1,)."""
    largest = float(np.abs(weight).max(initial=0.0)) or 1.0
    return np.array([max(largest / 127, SMALLEST_SCALE)], np.float32)


WEIGHT_SCALES: dict[Granularity, Callable[[npt.NDArray[Any], int], npt.NDArray[np.float32]]] = {
    "channel": weight_scales,
    "tensor": tensor_scale,
}


def with_room_for_bias(
    scales: npt.NDArray[np.float32], bias: npt.NDArray[Any], activation_scale: float
) -> npt.NDArray[np.float32]:
    """Scales that are large enough for the bias, a 32-bit multiple of activation scale × weight scale, to fit.

    Only channels whose weights are next to nothing beside their bias are changed: those that training has switched
    off, and the small factors of batch normalisation.

    Args:
        scales: float32 (channels,), as of `weight_scales`.
        bias: (channels,), or (groups · channels,) of a transposed convolution, whose groups share scales.
        activation_scale: scale of the operator's input.
    """
    largest = np.abs(bias.astype(np.float64)).reshape(-1, scales.size).max(axis=0)
    least = largest / (activation_scale * LARGEST_BIAS_CODE)
    widened: npt.NDArray[np.float32] = np.maximum(scales, least.astype(np.float32))
    return widened
