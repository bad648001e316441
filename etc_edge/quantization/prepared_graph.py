"""A float graph made ready for codes, as `ranges.json` says: channels equalised, biases corrected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import onnx

from etc_edge.core.errors import CalibrationError
from etc_edge.graph.view import GraphView
from etc_edge.quantization.bias_correction import apply_corrections
from etc_edge.quantization.equalization import apply_factors
from etc_edge.quantization.placement import Placement


def equalized_graph(model: onnx.ModelProto, factors: Mapping[str, Sequence[float]]) -> onnx.ModelProto:
    """A float graph with its channels divided by factors, as `ranges.json` keeps them."""
    return apply_factors(model, factor_arrays(factors))


def factor_arrays(factors: Mapping[str, Sequence[float]]) -> dict[str, npt.NDArray[np.float32]]:
    """Factors of `ranges.json` as float32 (channels,) by tensor."""
    return {name: np.array(values, np.float32) for name, values in factors.items()}


def corrected_graph(
    model: onnx.ModelProto, corrections: Mapping[str, Sequence[float]], placement: Placement
) -> onnx.ModelProto:
    """The float graph with the corrections of those operators that are quantized; in float none is due.

    Raises:
        CalibrationError: corrections that fit no operator's bias.
    """
    int8, view = set(placement.int8_nodes), GraphView(model)
    channels = {
        node.name: view.static_shape(node.output[0])[1] for node in model.graph.node if node.name in corrections
    }
    for name, values in corrections.items():
        expected = channels.get(name, "no such operator")
        if expected != len(values):
            raise CalibrationError(f"Found {len(values)} corrections for the bias of {name!r}, expected {expected}.")
    due = {name: np.array(values, np.float32) for name, values in corrections.items() if name in int8}
    return apply_corrections(model, due)
