"""Trained tensors put back into the file that they came from: the same nodes, new constants."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from etc_edge.graph.load import copy_model

Array = npt.NDArray[Any]


def with_constants(model: onnx.ModelProto, values: Mapping[str, Array]) -> onnx.ModelProto:
    """A copy of a model some of whose constants have other values, of the same type and shape.

    Args:
        model: any.
        values: by the name of an initializer, or of what a `Constant` node gives.
    """
    copy = copy_model(model)
    places: dict[str, onnx.TensorProto] = {tensor.name: tensor for tensor in copy.graph.initializer}
    for node in copy.graph.node:
        if node.op_type == "Constant":
            places.update((node.output[0], entry.t) for entry in node.attribute if entry.name == "value")
    for name, value in values.items():
        place = places[name]
        stored = numpy_helper.to_array(place)
        changed = np.ascontiguousarray(value, stored.dtype).reshape(stored.shape)
        if not np.array_equal(changed, stored):
            place.CopyFrom(numpy_helper.from_array(changed, place.name))
    return copy


def as_codes(codes: Array, stored: Array) -> Array:
    """Whole floats as integers; a stored code stays where it is the same number in 32-bit floats.

    Beyond 2²⁴ floats no longer tell neighbouring codes of a bias apart, nor does what reads them.
    """
    whole = codes.astype(np.int64)
    return np.where(whole == stored.astype(np.float32), stored, whole).astype(stored.dtype)
