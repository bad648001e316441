"""A network made ready for any exporter: fixed size, no adaptive pooling, no auxiliary head."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from etc_edge.models.base import AdaptivePool, MatrixPool, size_of


def exportable(network: nn.Module, size_hw: tuple[int, int]) -> nn.Module:
    """A copy of a network for one input size, float32 on the processor, in evaluation mode.

    Adaptive pooling becomes two constant matrix products (see MatrixPool): exact to rounding, and known to
    every exporter and engine, while the pooling itself does not export where the cells do not divide the
    features. The copy takes (1, 3, H, W) of just this size.

    Args:
        network: one of the table's; left as it is.
        size_hw: the input size.
    """
    ready = copy.deepcopy(network).cpu().float().eval().requires_grad_(False)
    if getattr(ready, "aux", None) is not None:
        ready.register_module("aux", None)
    sizes: dict[str, tuple[int, int]] = {}
    pools = {name: part for name, part in ready.named_modules() if isinstance(part, AdaptivePool)}
    hooks = [part.register_forward_pre_hook(_note(sizes, name)) for name, part in pools.items()]
    with torch.no_grad():
        ready(torch.zeros(1, 3, *size_hw))
    for hook in hooks:
        hook.remove()
    for name, part in pools.items():
        parent, _, child = name.rpartition(".")
        ready.get_submodule(parent)._modules[child] = MatrixPool(part.bins, sizes[name])
    return ready


def _note(sizes: dict[str, tuple[int, int]], name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
    def note(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        del module
        sizes[name] = size_of(inputs[0])

    return note
