"""Optimiser, learning rate and the moving average of the weights."""

from __future__ import annotations

import copy
import math
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer

from etc_edge.models.base import SegmentationNetwork
from etc_edge.training.recipe import OptimizerRecipe, ScheduleRecipe


def make_optimizer(network: nn.Module, recipe: OptimizerRecipe, terms: nn.Module | None = None) -> Optimizer:
    """An optimiser with two groups: what a pre-trained start may cover, and the heads at their own rate.

    `terms` are those of the loss that learn; they do so at the heads' rate. Each group keeps the rate that it has at
    the height of the schedule as `peak`.
    """
    heads = {id(parameter) for parameter in cast(SegmentationNetwork, network).head_parameters()}
    groups: list[dict[str, Any]] = [
        {"params": [p for p in network.parameters() if id(p) not in heads], "peak": recipe.lr},
        {"params": [p for p in network.parameters() if id(p) in heads], "peak": recipe.lr * recipe.head_lr_factor},
    ]
    if terms is not None:
        groups[1]["params"] += list(terms.parameters())
    groups = [group for group in groups if group["params"]]
    if recipe.name == "adamw":
        return AdamW(groups, lr=recipe.lr, weight_decay=recipe.weight_decay)
    return SGD(groups, lr=recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay)


def set_rate(optimizer: Optimizer, schedule: ScheduleRecipe, iteration: int, of: int) -> float:
    """Set the learning rates of iteration `iteration` of `of` and return that of the first group.

    peak · (1 − iteration / of) ** poly_power, or peak · (1 + cos(π · iteration / of)) / 2, with a linear rise over
    the first `warmup_iterations`. A function of the iteration alone, so a resumed run needs no schedule state.
    """
    done = iteration / of
    share = (1.0 - done) ** schedule.poly_power if schedule.curve == "poly" else 0.5 * (1.0 + math.cos(math.pi * done))
    if iteration < schedule.warmup_iterations:
        share *= (iteration + 1) / schedule.warmup_iterations
    for group in optimizer.param_groups:
        group["lr"] = share * group["peak"]
    rate: float = optimizer.param_groups[0]["lr"]
    return rate


class MovingAverage:
    """An exponential moving average of a network's weights and running statistics.

    Args:
        network: what is averaged; its present state is the start.
        decay: share of the old average that a step keeps; less in the first steps, (1 + n) / (10 + n).
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self._decay = decay

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Take in the network's state after step number `step`, from 0."""
        keep = min(self._decay, (1.0 + step) / (10.0 + step))
        averaged: list[Tensor] = []
        current: list[Tensor] = []
        state = network.state_dict()
        for key, value in self.network.state_dict().items():
            if value.is_floating_point():
                averaged.append(value)
                current.append(state[key])
            else:
                value.copy_(state[key])
        torch._foreach_lerp_(averaged, current, 1.0 - keep)
