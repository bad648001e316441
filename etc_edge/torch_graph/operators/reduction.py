"""Reductions along axes, softmax, and the class with the largest logit."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from etc_edge.torch_graph.operation import Builder, Operation, Run


def _along_axes(function: Callable[..., Tensor]) -> Builder:
    def build(operation: Operation) -> Run:
        axes, keep = operation.integers(1, "axes"), bool(operation.option("keepdims", 1))
        if not axes and operation.option("noop_with_empty_axes", 0):
            return lambda data, *operands: data
        if 0 in operation.shape(0):
            operation.refuse("its operand is empty")
        along = tuple(axes or range(len(operation.shape(0))))
        return lambda data, *operands: function(data, along, keepdim=keep)

    return build


mean, total = _along_axes(torch.mean), _along_axes(torch.sum)
largest, least = _along_axes(torch.amax), _along_axes(torch.amin)


def softmax(operation: Operation) -> Run:
    """`Softmax`."""
    axis = operation.axis(-1)
    return lambda data: torch.softmax(data, axis)


def log_softmax(operation: Operation) -> Run:
    """`LogSoftmax`."""
    axis = operation.axis(-1)
    return lambda data: torch.log_softmax(data, axis)


def largest_place(operation: Operation) -> Run:
    """`ArgMax`: of several largest the first."""
    operation.expect("select_last_index", 0)
    axis, keep = operation.axis(0), bool(operation.option("keepdims", 1))
    return lambda data: torch.argmax(data, axis, keepdim=keep)


def batch_normalisation(operation: Operation) -> Run:
    """`BatchNormalization` as it is deployed: with statistics that stay as they are."""
    operation.expect("training_mode", 0)
    epsilon = float(operation.option("epsilon", 1e-5))

    def run(data: Tensor, scale: Tensor, offset: Tensor, average: Tensor, variance: Tensor) -> Tensor:
        return functional.batch_norm(data, average, variance, scale, offset, eps=epsilon)

    return run


def layer_normalisation(operation: Operation) -> Run:
    """`LayerNormalization`, with the mean and the inverse deviation where they are asked for."""
    axis, epsilon = operation.axis(-1), float(operation.option("epsilon", 1e-5))
    statistics = any(operation.outputs[1:])

    def run(data: Tensor, scale: Tensor, offset: Tensor | None = None) -> Tensor | tuple[Tensor, ...]:
        result = functional.layer_norm(data, data.shape[axis:], eps=epsilon) * scale
        result = result if offset is None else result + offset
        if not statistics:
            return result
        axes = tuple(range(axis, data.dim()))
        variance, average = torch.var_mean(data, axes, correction=0, keepdim=True)
        return result, average, torch.rsqrt(variance + epsilon)

    return run
