"""Learning rates by the schedule's formula, and the moving average."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from etc_edge.models.table import build_network
from etc_edge.training.optimisation import MovingAverage, make_optimizer, set_rate
from etc_edge.training.recipe import OptimizerRecipe, ScheduleRecipe


def test_heads_learn_faster_and_every_parameter_learns() -> None:
    network = build_network("street_small", 3)
    optimizer = make_optimizer(network, OptimizerRecipe())
    backbone, heads = optimizer.param_groups
    assert len(backbone["params"]) + len(heads["params"]) == len(list(network.parameters()))
    set_rate(optimizer, ScheduleRecipe(), 0, 100)
    assert (backbone["lr"], heads["lr"]) == pytest.approx((0.01, 0.1))
    assert (backbone["momentum"], backbone["weight_decay"]) == (0.9, 1e-4)


def test_the_rate_falls_along_half_a_cosine() -> None:
    optimizer = make_optimizer(build_network("street_small", 3), OptimizerRecipe(lr=0.5, head_lr_factor=4.0))
    schedule = ScheduleRecipe(curve="cosine")
    rates = [set_rate(optimizer, schedule, iteration, 120) for iteration in (0, 40, 60, 80)]
    # (1 + cos 0) / 2, (1 + cos 60°) / 2, (1 + cos 90°) / 2, (1 + cos 120°) / 2
    assert rates == pytest.approx([0.5, 0.375, 0.25, 0.125])
    assert optimizer.param_groups[1]["lr"] == pytest.approx(0.5), "heads at four times the rate"


def test_a_network_from_nothing_is_one_group() -> None:
    assert len(make_optimizer(build_network("espnet", 5), OptimizerRecipe(name="adamw")).param_groups) == 1


def test_the_rate_falls_by_the_polynomial() -> None:
    optimizer = make_optimizer(build_network("espnet", 5), OptimizerRecipe(head_lr_factor=1.0))
    schedule = ScheduleRecipe()
    rates = [set_rate(optimizer, schedule, iteration, 200) for iteration in (0, 100, 199)]
    assert rates == pytest.approx([0.01, 0.01 * 0.5**0.9, 0.01 * 0.005**0.9])


def test_the_rate_rises_at_first() -> None:
    optimizer = make_optimizer(build_network("espnet", 5), OptimizerRecipe(head_lr_factor=1.0))
    schedule = ScheduleRecipe(warmup_iterations=4, poly_power=0.0)
    rates = [set_rate(optimizer, schedule, iteration, 10) for iteration in range(6)]
    assert rates == pytest.approx([0.0025, 0.005, 0.0075, 0.01, 0.01, 0.01])


def test_the_average_by_hand() -> None:
    network = nn.BatchNorm1d(1)
    average = MovingAverage(network, decay=0.5)
    with torch.no_grad():
        network.weight.fill_(3.0)
        network.running_mean.fill_(8.0)
        network.num_batches_tracked.fill_(7)
    average.update(network, step=1000)
    assert float(average.network.weight) == 2.0
    assert float(average.network.running_mean) == 4.0
    assert int(average.network.num_batches_tracked) == 7
    average.update(network, step=0)  # at first it keeps only a tenth
    assert float(average.network.weight) == pytest.approx(2.9)
    assert not average.network.training
