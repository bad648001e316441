"""Fake quantization with learned step sizes: rounding as ONNX does it, gradients as if it were not there.

A value x becomes s · c with c = clamp(round(x / s), low, high), halves to even; `low` and `high` are codes less the
zero point. Gradients are those of LSQ (Esser et al., *Learned Step Size Quantization*, 2020, section 2):

    ∂L/∂x = g where x is in range, else 0
    ∂L/∂s = Σ g · (c − x / s) over what is in range + Σ g · c over what is not, times 1 / √(N · Q)

with N the values of one frame (or of one channel's weight) that share the step, and Q the codes on the longer side of
zero. In range is what rounds to a code without being clamped, the two last codes included: weights that come from a
file stand exactly on their codes, and those on the last one must be able to leave it.
"""

from __future__ import annotations

from math import inf, sqrt
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

LARGEST_BIAS_CODE = 2**31 - 128
"""The largest 32-bit code that a 32-bit float can hold."""


def gradient_scale(count: float, low: int, high: int) -> float:
    """LSQ's factor 1 / √(N · Q) for `count` values on a grid."""
    return 1.0 / sqrt(max(count, 1.0) * max(high, -low))


class ActivationQuantizer:
    """Fake quantization of an activation, together with the activation function before it.

    Args:
        low: smallest code less the zero point.
        high: largest code less the zero point.
        bounds: what a `Relu` or `Clip` before it limits values to; ±inf without.
    """

    def __init__(self, low: int, high: int, bounds: tuple[float, float] = (-inf, inf)) -> None:
        self.low, self.high, self.bounds = low, high, bounds

    def __call__(self, data: Tensor, scale: Tensor) -> Tensor:
        """`data` float32 of any shape, frames first; `scale` float32 ()."""
        result: Tensor = _Activation.apply(data, scale, self)  # type: ignore[no-untyped-call]
        return result

    def codes(self, step: float) -> tuple[float, float]:
        """The smallest and the largest code that a value can come to, bounds included."""
        first, last = (_code(bound, step) for bound in self.bounds)
        low = min(max(float(self.low), first), float(self.high))
        return low, max(min(float(self.high), last), low)


class WeightQuantizer:
    """Fake quantization of a weight with one scale, or one an entry of an axis.

    Args:
        low: smallest code less the zero point.
        high: largest code less the zero point.
        axis: that axis; None for one scale.
    """

    def __init__(self, low: int, high: int, axis: int | None) -> None:
        self.low, self.high, self.axis = low, high, axis

    def __call__(self, weight: Tensor, scale: Tensor) -> Tensor:
        """`weight` float32 of any shape; `scale` float32 () or one an entry of the axis."""
        result: Tensor = _Weight.apply(weight, self.spread(scale, weight.dim()), self)  # type: ignore[no-untyped-call]
        return result

    def codes(self, weight: Tensor, scale: Tensor) -> Tensor:
        """Codes less the zero point, as whole floats."""
        return (weight / self.spread(scale, weight.dim())).round_().clamp_(self.low, self.high)

    def spread(self, scale: Tensor, rank: int) -> Tensor:
        """The scale in the shape that spreads over a weight."""
        if self.axis is None:
            return scale.reshape(())
        return scale.reshape([-1 if place == self.axis else 1 for place in range(rank)])


class BiasQuantizer:
    """A bias on the 32-bit grid of its sums: activation scale × weight scale, whatever these are by now.

    The grid is so fine that its rounding says nothing of the scales: the gradient goes to the bias alone.
    """

    def __call__(self, bias: Tensor, activation_scale: Tensor, weight_scale: Tensor) -> Tensor:
        """`bias` float32 (channels,); a transposed convolution's groups share the weight scales of one."""
        step = self.steps(bias, activation_scale, weight_scale)
        stored = self.codes(bias, step).mul_(step)
        return stored + (bias - bias.detach()) if bias.requires_grad else stored

    def steps(self, bias: Tensor, activation_scale: Tensor, weight_scale: Tensor) -> Tensor:
        """The scale of the codes, float32, one a channel or ()."""
        step = (activation_scale * weight_scale).detach()
        return step.repeat(bias.numel() // step.numel()) if step.numel() > 1 else step.reshape(())

    def codes(self, bias: Tensor, step: Tensor) -> Tensor:
        """Codes as whole floats."""
        return (bias.detach() / step).round_().clamp_(-LARGEST_BIAS_CODE, LARGEST_BIAS_CODE)


class _Activation(Function):
    @staticmethod
    def forward(ctx: Any, data: Tensor, scale: Tensor, quantizer: ActivationQuantizer) -> Tensor:
        # In place after the first pass: on a processor such passes over memory are all that this costs.
        result = data / scale
        result.round_().clamp_(*quantizer.codes(scale.item())).mul_(scale)
        ctx.save_for_backward(data, result, scale)
        ctx.quantizer = quantizer
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor | None, None]:
        data, result, scale = ctx.saved_tensors
        quantizer, gradient, step = ctx.quantizer, gradients[0], scale.item()
        (first, last), count = quantizer.bounds, data.numel()
        # Where saturation begins. What a bound holds back short of it stays where it is while its code moves.
        low, high = (quantizer.low - 0.5) * step, (quantizer.high + 0.5) * step
        # One kernel: the gradient between two limits, else 0.
        inside = torch.ops.aten.hardtanh_backward(gradient, data, max(low, first), min(high, last))
        if not ctx.needs_input_grad[1]:
            return inside, None, None
        # Σ g · (y − x) over what is in range and Σ g · y over the rest, without a tensor for the difference.
        whole = _dot(gradient, result)
        by_step = whole - _dot(inside, data)
        if low < first < high and first != 0.0:
            by_step -= first * _dot(gradient, (data <= first).to(gradient))
        if low < last < high and last != 0.0:
            bottom, top = quantizer.codes(step)
            if bottom == 0.0 < top:  # what is outside and not 0 is what the bound holds: no mask is needed
                by_step -= (whole - _dot(inside, result)) * (last / (top * step))
            else:
                by_step -= last * _dot(gradient, (data >= last).to(gradient))
        frames = data.shape[0] if data.dim() > 0 else 1
        factor = gradient_scale(count / max(1, frames), quantizer.low, quantizer.high)
        return inside, by_step / step * factor, None


class _Weight(Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, scale: Tensor, quantizer: WeightQuantizer) -> Tensor:
        steps = weight / scale
        codes = steps.round().clamp_(quantizer.low, quantizer.high)
        ctx.save_for_backward(steps, codes)
        ctx.quantizer, ctx.shape = quantizer, scale.shape
        return codes * scale

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        steps, codes = ctx.saved_tensors
        quantizer, gradient = ctx.quantizer, gradients[0]
        inside = torch.ops.aten.hardtanh_backward(gradient, steps, quantizer.low - 0.5, quantizer.high + 0.5)
        by_value = gradient * codes - inside * steps
        by_step = by_value.sum_to_size(ctx.shape)
        factor = gradient_scale(steps.numel() / by_step.numel(), quantizer.low, quantizer.high)
        return inside, by_step * factor, None


def _code(value: float, step: float) -> float:
    """The code of a bound before clamping, in the arithmetic of 32-bit floats; ±inf stays."""
    return value if value in (-inf, inf) else float(torch.tensor(value, dtype=torch.float32).div_(step).round_())


def _dot(first: Tensor, second: Tensor) -> Tensor:
    if first.stride() == second.stride() and _dense(first):
        # In the order of memory, whatever the layout: flattening a transposed tensor would copy it.
        return torch.dot(
            *(tensor.as_strided((tensor.numel(),), (1,), tensor.storage_offset()) for tensor in (first, second))
        )
    return torch.dot(first.reshape(-1), second.reshape(-1))


def _dense(tensor: Tensor) -> bool:
    return tensor.is_contiguous() or (tensor.dim() == 4 and tensor.is_contiguous(memory_format=torch.channels_last))
