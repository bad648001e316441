"""Values against ONNX Runtime and numpy, gradients against torch's own learned step sizes and the formula by hand."""

from __future__ import annotations

from math import inf, sqrt
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from torch.nn import functional

from etc_edge.graph.grid import Grid
from etc_edge.torch_graph.fake_quantize import (
    ActivationQuantizer,
    BiasQuantizer,
    WeightQuantizer,
    gradient_scale,
)
from tests.small_networks import run

GRIDS = [Grid(0.037, 0, True), Grid(0.05, 113, True), Grid(0.041, 0, False), Grid(0.02, 255, True)]


def quantizer_of(grid: Grid, bounds: tuple[float, float] = (-inf, inf)) -> ActivationQuantizer:
    return ActivationQuantizer(grid.low_code - grid.zero_point, grid.high_code - grid.zero_point, bounds)


def data(seed: int = 0, spread: float = 4.0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(0, spread, (2, 8, 9, 10)).astype(np.float32))


def pair(grid: Grid) -> onnx.ModelProto:
    kind = np.uint8 if grid.unsigned else np.int8
    constants = [("scale", np.float32(grid.scale)), ("zero_point", kind(grid.zero_point))]
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero_point"], ["codes"]),
        helper.make_node("DequantizeLinear", ["codes", "scale", "zero_point"], ["y"]),
    ]
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in "xy"]
    initializers = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants]
    graph = helper.make_graph(nodes, "pair", infos[:1], infos[1:], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize("grid", GRIDS)
def test_values_are_onnx_runtimes_bit_by_bit(grid: Grid) -> None:
    halves = np.arange(-600, 600, dtype=np.float32) * np.float32(0.5) * np.float32(grid.scale)
    values = np.concatenate([halves, data(1, 6.0).numpy().ravel(), [1e30, -1e30, 0.0]]).astype(np.float32)
    (expected,) = run(pair(grid), {"x": values}, ["y"])
    found = quantizer_of(grid)(torch.from_numpy(values), torch.tensor(grid.scale))
    assert np.array_equal(found.numpy(), expected)


@given(
    st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=20),
    st.floats(2**-10, 4.0, width=32),
    st.integers(0, 255),
    st.booleans(),
)
def test_values_are_those_of_the_grid(values: list[float], scale: float, zero_point: int, unsigned: bool) -> None:
    grid = Grid(scale, zero_point if unsigned else 0, unsigned)
    array = np.array(values, np.float32)
    found = quantizer_of(grid)(torch.from_numpy(array), torch.tensor(scale)).numpy()
    assert np.array_equal(found, grid.simulate(array))
    again = quantizer_of(grid)(torch.from_numpy(found), torch.tensor(scale)).numpy()
    assert np.array_equal(again, found), "what stands on the grid stays"


@pytest.mark.parametrize("grid", GRIDS)
def test_gradients_of_an_activation_are_torchs_own(grid: Grid) -> None:
    # Off the edges of saturation, where torch's product with the inverse may fall on the other side.
    values, upstream = data(2), data(3)
    mine, theirs = (values.clone().requires_grad_() for _ in range(2))
    scale, other = (torch.tensor(grid.scale, requires_grad=True) for _ in range(2))
    quantizer = quantizer_of(grid)
    quantizer(mine, scale).backward(upstream)
    torch._fake_quantize_learnable_per_tensor_affine(
        theirs,
        other.reshape(1),
        torch.tensor([float(grid.zero_point)]),
        grid.low_code,
        grid.high_code,
        gradient_scale(values[0].numel(), quantizer.low, quantizer.high),
    ).backward(upstream)
    assert torch.equal(mine.grad, theirs.grad)  # type: ignore[arg-type]
    torch.testing.assert_close(scale.grad, other.grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("axis", [0, 1])
def test_gradients_of_a_weight_are_torchs_own(axis: int) -> None:
    random = np.random.default_rng(4)
    weight = random.normal(0, 0.3, (6, 5, 3, 3)).astype(np.float32)
    scales = np.exp(random.normal(-6, 0.7, weight.shape[axis])).astype(np.float32)
    upstream = torch.from_numpy(random.normal(size=weight.shape).astype(np.float32))
    mine, theirs = (torch.from_numpy(weight).clone().requires_grad_() for _ in range(2))
    scale, other = (torch.from_numpy(scales).clone().requires_grad_() for _ in range(2))
    WeightQuantizer(-127, 127, axis)(mine, scale).backward(upstream)
    factor = 1 / sqrt(weight.size / len(scales) * 127)
    torch._fake_quantize_learnable_per_channel_affine(
        theirs, other, torch.zeros(len(scales)), axis, -127, 127, factor
    ).backward(upstream)
    assert torch.equal(mine.grad, theirs.grad)  # type: ignore[arg-type]
    torch.testing.assert_close(scale.grad, other.grad, rtol=1e-4, atol=1e-5)


def test_gradients_by_hand() -> None:
    """The gradients of the LSQ paper for five values on the codes 0 to 255, N = 5 and Q = 255."""
    values = torch.tensor([[0.26, 1.0, 30.0, -0.2, 25.5]], requires_grad=True)
    upstream = torch.tensor([[1.0, 2.0, 3.0, 4.0, 5.0]])
    scale = torch.tensor(0.1, requires_grad=True)
    ActivationQuantizer(0, 255)(values, scale).backward(upstream)
    assert values.grad.tolist() == [[1.0, 2.0, 0.0, 0.0, 5.0]]  # type: ignore[union-attr]
    by_hand = 1 * (3 - 2.6) + 2 * 0 + 3 * 255 + 4 * 0 + 5 * 0
    assert scale.grad.item() == pytest.approx(by_hand / sqrt(5 * 255), rel=1e-4)  # type: ignore[union-attr]


@pytest.mark.parametrize("bounds", [(0.0, inf), (0.0, 6.0), (0.0, 3.0), (-1.0, 1.0)])
@pytest.mark.parametrize("grid", GRIDS[:3])
def test_a_bound_that_is_part_of_it_is_one_that_stands_before_it(grid: Grid, bounds: tuple[float, float]) -> None:
    upstream = data(6)
    results: list[Any] = []
    for fused in (True, False):
        values, scale = data(5).requires_grad_(), torch.tensor(grid.scale, requires_grad=True)
        before = values if fused else functional.hardtanh(values, bounds[0], min(bounds[1], 1e9))
        result = quantizer_of(grid, bounds if fused else (-inf, inf))(before, scale)
        result.backward(upstream)
        results.append((result.detach(), values.grad, scale.grad))
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])
    torch.testing.assert_close(results[0][2], results[1][2], rtol=1e-3, atol=1e-4)


def test_a_bias_stands_on_its_grid_and_its_gradient_passes() -> None:
    bias = torch.tensor([0.31, -0.7, 1e9, 2.0, 0.0, -3.0], requires_grad=True)
    activation, weight = torch.tensor(0.1, requires_grad=True), torch.tensor([0.01, 0.02, 0.5], requires_grad=True)
    result = BiasQuantizer()(bias, activation, weight)
    steps = (np.float32(0.1) * np.array([0.01, 0.02, 0.5], np.float32)).tolist() * 2
    codes = result.detach().numpy() / np.array(steps, np.float32)
    assert np.allclose(codes, np.round(codes), rtol=1e-6)
    assert np.abs(codes).max() < 2**31
    result.sum().backward()
    assert bias.grad.tolist() == [1.0] * 6  # type: ignore[union-attr]
    assert activation.grad is None
    assert weight.grad is None


def test_gradients_do_not_depend_on_the_layout() -> None:
    upstream, grads = data(8), []
    for memory_format in (torch.contiguous_format, torch.channels_last):
        values = data(7).contiguous(memory_format=memory_format).requires_grad_()
        scale = torch.tensor(0.02, requires_grad=True)
        result = ActivationQuantizer(0, 255, (0.0, 3.0))(values, scale)
        result.backward(upstream.contiguous(memory_format=memory_format))
        grads.append((result.detach(), values.grad, scale.grad))
    assert torch.equal(grads[0][0], grads[1][0])
    assert torch.equal(grads[0][1], grads[1][1])  # type: ignore[arg-type]
    torch.testing.assert_close(grads[0][2], grads[1][2], rtol=1e-4, atol=1e-5)
