"""Convolutions and transposed convolutions of one to three spatial axes."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn import functional

from etc_edge.torch_graph.operation import Operation, Run
from etc_edge.torch_graph.operators.window import even, for_torch, window_pads

CONVOLUTIONS: dict[int, Any] = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
TRANSPOSED: dict[int, Any] = {
    1: functional.conv_transpose1d,
    2: functional.conv_transpose2d,
    3: functional.conv_transpose3d,
}


def convolution(operation: Operation) -> Run:
    """`Conv`."""
    kernel, strides, dilations = _window(operation)
    function = _of_rank(operation, CONVOLUTIONS, len(kernel))
    pads = window_pads(operation, kernel, strides, dilations)
    same, around = even(pads), for_torch(pads)
    groups = int(operation.option("group", 1))

    def run(data: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        if same is None:
            data = functional.pad(data, around)
        result: Tensor = function(data, weight, bias, strides, 0 if same is None else same, dilations, groups)
        return result

    return run


def transposed_convolution(operation: Operation) -> Run:
    """`ConvTranspose`."""
    kernel, strides, dilations = _window(operation)
    function = _of_rank(operation, TRANSPOSED, len(kernel))
    extra = [int(size) for size in operation.option("output_padding", [0] * len(kernel))]
    groups = int(operation.option("group", 1))
    pads, extra = _transposed_pads(operation, kernel, strides, dilations, extra)
    same = even(pads)
    crop = [-pad for pad in for_torch(pads)]

    def run(data: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        result: Tensor = function(data, weight, bias, strides, 0 if same is None else same, extra, groups, dilations)
        return functional.pad(result, crop) if same is None else result

    return run


def _window(operation: Operation) -> tuple[list[int], list[int], list[int]]:
    """Kernel, strides and dilations, one an axis."""
    kernel = [int(size) for size in operation.shape(1)[2:]]
    ones = [1] * len(kernel)
    strides, dilations = ([int(step) for step in operation.option(name) or ones] for name in ("strides", "dilations"))
    return kernel, strides, dilations


def _of_rank(operation: Operation, functions: dict[int, Any], axes: int) -> Any:
    if axes not in functions:
        operation.refuse(f"it has {axes} spatial axes, expected 1, 2 or 3")
    return functions[axes]


def _transposed_pads(
    operation: Operation, kernel: list[int], strides: list[int], dilations: list[int], extra: list[int]
) -> tuple[list[int], list[int]]:
    """What is cut off at the beginnings and ends, and what the ends get more.

    `output_shape` and `auto_pad` are resolved as the specification of ConvTranspose says: the odd one is cut off at
    the end, or with SAME_LOWER at the beginning.
    """
    kind, wanted = operation.option("auto_pad", "NOTSET"), operation.option("output_shape")
    if wanted is None and kind in ("NOTSET", "", "VALID"):
        pads = [0] * (2 * len(kernel)) if kind == "VALID" else operation.option("pads", [0] * (2 * len(kernel)))
        return [int(pad) for pad in pads], extra
    begins, ends = [], []
    sizes = operation.shape(0)[2:]
    for axis, (size, width, stride, dilation) in enumerate(zip(sizes, kernel, strides, dilations, strict=True)):
        whole = (size - 1) * stride + (width - 1) * dilation + 1 + extra[axis]
        total = whole - (size * stride if wanted is None else int(wanted[axis - len(kernel)]))
        if total < 0 and wanted is not None:
            # There is more to give than the kernel reaches: zeros at the end.
            extra = [more - total if place == axis else more for place, more in enumerate(extra)]
            total = 0
        small = total // 2
        begins.append(total - small if kind == "SAME_LOWER" else small)
        ends.append(total - begins[-1])
    return begins + ends, extra
