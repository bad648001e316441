"""Counts against torch's own, and the same for a network in float and in INT8."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from etc_edge.core.preprocessing import Preprocessing
from etc_edge.graph.operations import cost_by_stage, node_macs
from etc_edge.graph.preprocess import prepend_preprocessing
from etc_edge.graph.simplify import simplify
from etc_edge.graph.view import GraphView
from etc_edge.models.onnx_export import to_onnx
from tests.quantized_networks import quantized
from tests.small_networks import BLOCKS, Builder, deployed

SIZE_HW = (32, 48)


def network() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1),
        nn.PReLU(8),
        nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=4, bias=False),
        nn.ConvTranspose2d(8, 6, 2, stride=2, groups=2),
        nn.Conv2d(6, 5, 1),
    ).eval()


def test_multiply_adds_and_parameters_are_torchs() -> None:
    torch_network = network()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        torch_network(torch.zeros(1, 3, *SIZE_HW))
    model = simplify(to_onnx(torch_network, SIZE_HW))
    stages = cost_by_stage(model, SIZE_HW[0])
    assert sum(stage.macs for stage in stages) == counter.get_total_flops() // 2
    assert sum(stage.parameters for stage in stages) == sum(value.numel() for value in torch_network.parameters())
    assert [(stage.stride, stage.nodes) for stage in stages] == [(1, 2), (2, 3)]


@pytest.mark.parametrize(
    ("first", "second", "options", "macs"),
    [
        ((5, 4), (4, 8), {}, 160),
        ((4, 5), (4, 8), {"transA": 1}, 160),
        ((5, 4), (8, 4), {"transB": 1}, 160),
        ((2, 5, 4), (4, 8), None, 320),
    ],
)
def test_matrix_products(
    first: tuple[int, ...], second: tuple[int, ...], options: dict[str, int] | None, macs: int
) -> None:
    build = Builder()
    left, right = build.constant(np.zeros(first)), build.constant(np.zeros(second))
    product = build.node("MatMul" if options is None else "Gemm", left, right, **(options or {}))
    model = build.model(product, None, rank=len(first))
    assert node_macs(GraphView(model), model.graph.node[0]) == macs


@pytest.mark.parametrize("block", BLOCKS)
def test_a_network_costs_the_same_in_int8(block: str) -> None:
    """Pairs are no operators, codes are the parameters that they stand for, scales are none."""
    floating, quantized_model = deployed(block)[0], quantized(block)[0]
    assert cost_by_stage(quantized_model, SIZE_HW[0]) == cost_by_stage(floating, SIZE_HW[0])


def test_a_weight_that_two_operators_read_counts_once() -> None:
    build = Builder()
    weight = build.constant(build.random.normal(size=(3, 3, 1, 1)))
    model = build.model(build.node("Conv", build.node("Conv", "image", weight), weight), 3)
    (stage,) = cost_by_stage(model, SIZE_HW[0])
    assert (stage.nodes, stage.parameters, stage.macs) == (2, 9, 2 * 9 * 32 * 48)


def test_preprocessing_is_part_of_a_deployed_network() -> None:
    build = Builder()
    model = prepend_preprocessing(build.model(build.node("Relu", "image"), 3), Preprocessing(SIZE_HW))
    stages = {stage.stride: stage for stage in cost_by_stage(model, SIZE_HW[0])}
    assert (stages[1].nodes, stages[1].parameters) == (4, 12)
