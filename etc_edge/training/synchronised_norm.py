"""Batch norm whose statistics are those of all processes, on processors too (torch's own needs a GPU)."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx


class SynchronisedNorm(nn.BatchNorm2d):
    """Batch norm over the batches of all processes: same keys, same result as one process with the whole batch."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalise (N, C, H, W)."""
        if not self.training:
            return super().forward(input)
        values = input if input.dtype == torch.float64 else input.float()
        count = values.new_full((1,), values.numel() / values.shape[1])
        sums = _summed(torch.cat((values.sum((0, 2, 3)), count)))
        number = float(sums[-1].detach())
        mean = sums[:-1] / number
        # A second exchange: squares about the mean keep the digits that the mean square minus the squared mean loses.
        centred = values - mean.view(1, -1, 1, 1)
        variance = _summed(centred.square().sum((0, 2, 3))) / number
        self._follow(mean.detach(), variance.detach(), number)
        scale = torch.rsqrt(variance + self.eps)
        if self.weight is not None:
            scale = scale * self.weight
        out = centred * scale.view(1, -1, 1, 1)
        if self.bias is not None:
            out = out + self.bias.view(1, -1, 1, 1)
        return out.to(input.dtype)

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor, number: float) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        momentum = 1.0 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), momentum)
        unbiased = variance * (number / max(number - 1.0, 1.0))
        self.running_var.lerp_(unbiased.to(self.running_var.dtype), momentum)


def synchronise_norms(network: nn.Module, device: torch.device) -> nn.Module:
    """The network with every batch norm shared by all processes, in place; weights and statistics are kept."""
    if device.type == "cuda":
        converted: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        return converted
    for part in network.modules():
        for name, child in part.named_children():
            if type(child) is nn.BatchNorm2d:
                norm = SynchronisedNorm(child.num_features, child.eps, child.momentum, child.affine)
                norm.load_state_dict(child.state_dict())
                norm.train(child.training)
                setattr(part, name, norm)
    return network


class _Sum(torch.autograd.Function):
    """The sum over processes; the gradient of the result goes to every part, summed over processes as well."""

    @staticmethod
    def forward(ctx: FunctionCtx, value: Tensor) -> Tensor:
        del ctx
        total = value.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: FunctionCtx, *gradients: Any) -> Tensor:
        del ctx
        total: Tensor = gradients[0].clone()
        dist.all_reduce(total)
        return total


def _summed(value: Tensor) -> Tensor:
    summed: Tensor = _Sum.apply(value)  # type: ignore[no-untyped-call]
    return summed
