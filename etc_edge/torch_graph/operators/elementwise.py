"""Arithmetic and activation functions, value by value."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

import torch
from torch import Tensor
from torch.nn import functional

from etc_edge.torch_graph.operation import Builder, Operation, Run, plain


def _folded(function: Callable[[Tensor, Tensor], Tensor]) -> Builder:
    """An operator of any number of operands, taken two by two."""
    return plain(lambda *values: reduce(function, values))


def _divide(dividend: Tensor, divisor: Tensor) -> Tensor:
    # ONNX cuts off towards zero where both are integers.
    return torch.div(dividend, divisor, rounding_mode=None if dividend.is_floating_point() else "trunc")


add, subtract, multiply, divide = plain(torch.add), plain(torch.sub), plain(torch.mul), plain(_divide)
largest, least, total = _folded(torch.maximum), _folded(torch.minimum), _folded(torch.add)
power = plain(lambda base, exponent: torch.pow(base, exponent).to(base.dtype))

absolute, negative = plain(torch.abs), plain(torch.neg)
exponential, logarithm = plain(torch.exp), plain(torch.log)
square_root, reciprocal = plain(torch.sqrt), plain(torch.reciprocal)
floor, ceiling, error_function = plain(torch.floor), plain(torch.ceil), plain(torch.erf)

relu, sigmoid, hyperbolic_tangent = plain(torch.relu), plain(torch.sigmoid), plain(torch.tanh)
softplus = plain(lambda data: functional.softplus(data, threshold=1e30))
mish, hard_swish, softsign = plain(functional.mish), plain(functional.hardswish), plain(functional.softsign)


def clip(operation: Operation) -> Run:
    """`Clip` between constants; integers and floats."""
    low, high = (None if (value := operation.constant(place)) is None else value.item() for place in (1, 2))

    def run(data: Tensor, *limits: Tensor | None) -> Tensor:
        if low is not None and high is not None and low <= high and data.is_floating_point():
            return functional.hardtanh(data, low, high)  # a backward pass in one kernel, which clamp has not
        return data if low is None and high is None else torch.clamp(data, low, high)

    return run


def parametric_relu(operation: Operation) -> Run:
    """`PRelu`: a slope a channel, or of any shape that spreads over the data."""
    data_shape, slope_shape = operation.shape(0), operation.shape(1)
    aligned = (1,) * (len(data_shape) - len(slope_shape)) + slope_shape
    by_channel = len(data_shape) > 1 and aligned == (1, data_shape[1], *[1] * (len(data_shape) - 2))

    def run(data: Tensor, slope: Tensor) -> Tensor:
        if by_channel:
            return functional.prelu(data, slope.reshape(-1))
        return torch.where(data < 0, data * slope, data)

    return run


def leaky_relu(operation: Operation) -> Run:
    """`LeakyRelu`."""
    slope = float(operation.option("alpha", 0.01))
    return lambda data: functional.leaky_relu(data, slope)


def exponential_linear(operation: Operation) -> Run:
    """`Elu`."""
    alpha = float(operation.option("alpha", 1.0))
    return lambda data: functional.elu(data, alpha)


def hard_sigmoid(operation: Operation) -> Run:
    """`HardSigmoid`."""
    slope, offset = float(operation.option("alpha", 0.2)), float(operation.option("beta", 0.5))
    return lambda data: functional.hardtanh(data * slope + offset, 0.0, 1.0)


def gaussian_linear(operation: Operation) -> Run:
    """`Gelu`, exact or by its hyperbolic tangent."""
    kind = operation.option("approximate", "none")
    return lambda data: functional.gelu(data, approximate=kind)
