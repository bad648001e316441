"""The one frame that goes into an engine and the one array of labels that comes out."""

from __future__ import annotations

from dataclasses import dataclass

import tensorrt as trt

from etc_edge.backends.tensorrt.calls import extents
from etc_edge.core.errors import EngineError

_BEST = 1  # of a profile's least, best and largest shape


@dataclass(frozen=True)
class Tensors:
    """Names and sizes.

    Args:
        frame: name of the input, uint8 (1, H, W, 3).
        labels: name of the output, uint8 (1, H, W).
        sizes_hw: heights and widths that the engine takes, one an optimisation profile.
        dynamic: whether the size has to be set before running.
    """

    frame: str
    labels: str
    sizes_hw: tuple[tuple[int, int], ...]
    dynamic: bool


def find_tensors(engine: trt.ICudaEngine) -> Tensors:
    """Look up an engine's input and output.

    Raises:
        EngineError: it has other ones than a bundle's graph.
    """
    names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
    by_mode = {
        mode: [name for name in names if engine.get_tensor_mode(name) == mode]
        for mode in (trt.TensorIOMode.INPUT, trt.TensorIOMode.OUTPUT)
    }
    inputs, outputs = by_mode[trt.TensorIOMode.INPUT], by_mode[trt.TensorIOMode.OUTPUT]
    told = ", ".join(
        f"{name} {extents(engine.get_tensor_shape(name))} {engine.get_tensor_dtype(name)}" for name in names
    )
    if len(inputs) != 1 or len(outputs) != 1:
        raise EngineError(f"Found an engine with {told}, expected one frame and one array of labels.")
    frame, labels = inputs[0], outputs[0]
    shape = extents(engine.get_tensor_shape(frame))
    types = {engine.get_tensor_dtype(name) for name in (frame, labels)}
    if len(shape) != 4 or shape[3] != 3 or types != {trt.DataType.UINT8}:
        raise EngineError(f"Found an engine with {told}, expected uint8 frames (1, H, W, 3) and uint8 labels.")
    if -1 not in shape:
        return Tensors(frame, labels, ((shape[1], shape[2]),), dynamic=False)
    sizes = []
    for profile in range(engine.num_optimization_profiles):
        _, height, width, _ = extents(engine.get_tensor_profile_shape(frame, profile)[_BEST])
        sizes.append((height, width))
    return Tensors(frame, labels, tuple(sizes), dynamic=True)
