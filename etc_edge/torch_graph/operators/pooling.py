"""Pooling over windows and over whole images."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from etc_edge.torch_graph.operation import Operation, Run
from etc_edge.torch_graph.operators.window import even, for_torch, window_pads

LARGEST: dict[int, Any] = {1: functional.max_pool1d, 2: functional.max_pool2d, 3: functional.max_pool3d}
AVERAGE: dict[int, Any] = {1: functional.avg_pool1d, 2: functional.avg_pool2d, 3: functional.avg_pool3d}


def max_pool(operation: Operation) -> Run:
    """`MaxPool`, without the places of the maxima."""
    if len(operation.outputs) > 1 and operation.outputs[1]:
        operation.refuse("it also gives the places of the maxima")
    kernel, strides, dilations = _window(operation, LARGEST)
    function, ceil = LARGEST[len(kernel)], _ceil_mode(operation)
    pads = window_pads(operation, kernel, strides, dilations)
    same, around = _narrow(even(pads), kernel), for_torch(pads)
    if ceil and same is None:
        operation.refuse("ceil_mode with uneven pads")

    def run(data: Tensor) -> Tensor:
        if same is None:
            floating = data.is_floating_point()
            least = float("-inf") if floating else torch.iinfo(data.dtype).min
            data = functional.pad(data, around, value=least)
        result: Tensor = function(data, kernel, strides, 0 if same is None else same, dilations, ceil)
        return result

    return run


def average_pool(operation: Operation) -> Run:
    """`AveragePool`; pads are counted or not, as it says."""
    kernel, strides, dilations = _window(operation, AVERAGE)
    if any(dilation != 1 for dilation in dilations):
        operation.refuse("it is dilated")
    function, ceil = AVERAGE[len(kernel)], _ceil_mode(operation)
    pads = window_pads(operation, kernel, strides, dilations)
    same, around = _narrow(even(pads), kernel), for_torch(pads)
    counted = bool(operation.option("count_include_pad", 0))
    if ceil and same is None:
        operation.refuse("ceil_mode with uneven pads")

    def run(data: Tensor) -> Tensor:
        result: Tensor
        if same is not None:
            result = function(data, kernel, strides, same, ceil, counted)
            return result
        result = function(functional.pad(data, around), kernel, strides)
        if counted:
            return result
        inside = functional.pad(torch.ones_like(data[:1, :1]), around)
        result = result / function(inside, kernel, strides)
        return result

    return run


def global_average_pool(operation: Operation) -> Run:
    """`GlobalAveragePool`."""
    axes = tuple(range(2, len(operation.shape(0))))
    return lambda data: data.mean(axes, keepdim=True)


def global_max_pool(operation: Operation) -> Run:
    """`GlobalMaxPool`."""
    axes = tuple(range(2, len(operation.shape(0))))
    return lambda data: data.amax(axes, keepdim=True)


def _window(operation: Operation, functions: dict[int, Any]) -> tuple[list[int], list[int], list[int]]:
    """Kernel, strides and dilations, one an axis."""
    kernel = [int(size) for size in operation.option("kernel_shape")]
    if len(kernel) not in functions:
        operation.refuse(f"it has {len(kernel)} spatial axes, expected 1, 2 or 3")
    ones = [1] * len(kernel)
    strides, dilations = ([int(step) for step in operation.option(name) or ones] for name in ("strides", "dilations"))
    return kernel, strides, dilations


def _ceil_mode(operation: Operation) -> bool:
    return bool(operation.option("ceil_mode", 0))


def _narrow(pads: list[int] | None, kernel: list[int]) -> list[int] | None:
    """The pads where torch takes them itself: at most half a kernel."""
    fits = pads is not None and all(2 * pad <= width for pad, width in zip(pads, kernel, strict=True))
    return pads if fits else None
