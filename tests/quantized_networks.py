"""The networks of `small_networks`, calibrated and quantized as `etc-edge quantize` does it."""

from __future__ import annotations

from functools import cache

import numpy as np
import onnx

from etc_edge.graph.grid import Scheme
from etc_edge.quantization.calibrate import choose_ranges, observe
from etc_edge.quantization.observers.minmax import minmax
from etc_edge.quantization.placement import Placement, place
from etc_edge.quantization.quantize import quantized_graph
from tests.small_networks import UInt8, deployed, frames, labels_and_logits


@cache
def quantized(block: str, scheme: Scheme = "affine") -> tuple[onnx.ModelProto, str, Placement]:
    """A quantized network of `BLOCKS`, the name of its logits, and its placement; not to be changed."""
    model, logits = deployed(block)
    placement = place(model, logits)
    names = [name for name in placement.tensors if name not in placement.shared]
    statistics = observe(model, names, frames(4), threads=1)
    ranges = choose_ranges(statistics, placement, minmax, scheme)
    return quantized_graph(model, placement, ranges, scheme), logits, placement


def agreement(
    first: onnx.ModelProto, second: onnx.ModelProto, logits: str, optimized: bool = False, seed: int = 99
) -> tuple[float, float]:
    """How near two deployed graphs are on frames that calibration has not seen (it has with seed 0).

    Returns:
        the share of pixels with the same label, and the largest difference of logits in parts of the largest.
    """
    same, difference = [], 0.0
    for frame in frames(2, seed):
        labels, values = labels_and_logits(first, logits, frame)
        other_labels, other_values = labels_and_logits(second, logits, frame, optimized)
        same.append(np.mean(labels == other_labels))
        difference = max(difference, float(np.abs(values - other_values).max() / np.abs(values).max()))
    return float(np.mean(same)), difference


def unseen_frame() -> UInt8:
    """A frame that calibration has not seen."""
    return next(frames(1, seed=99))
