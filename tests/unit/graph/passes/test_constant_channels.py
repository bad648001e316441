"""Constant channels: the same numbers before the shift, and the same numbers after it, borders included."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etc_edge.graph.grid import Grid
from etc_edge.graph.int8_chains import int8_chains
from etc_edge.graph.load import check_model, copy_model
from etc_edge.graph.passes import constant_channels
from etc_edge.graph.passes.constant_channels import MULTIPLE, balance_with_constant_channels
from etc_edge.graph.passes.float_constants import float_biases
from etc_edge.graph.passes.shifted_codes import shift_to_signed
from etc_edge.graph.passes.symmetric_grids import make_grids_symmetric
from etc_edge.graph.qdq import QuantizationPlan, insert_qdq, pairs
from etc_edge.graph.view import GraphView
from tests.small_networks import Builder, run

SIZE = 32


@pytest.fixture(autouse=True)
def any_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    """In networks this small, sixteen channels are much."""
    monkeypatch.setattr(constant_channels, "LARGEST_SHARE", 10.0)


class Network:
    """Convolutions whose weights, biases and scales are binary fractions, so that every sum is exact."""

    def __init__(self, seed: int) -> None:
        self.random, self.build = np.random.default_rng(seed), Builder(seed)
        self.grids: dict[str, Grid] = {}
        self.scales: dict[str, np.ndarray] = {}

    def conv(self, source: str, channels: int = SIZE, kernel: int = 3, dilation: int = 1, group: int = 1) -> str:
        inner = self.build.channels[source] // group
        weight = self.random.integers(-8, 9, (channels, inner, kernel, kernel)) / 64
        bias = self.random.integers(-16, 17, channels) / 64
        padding = [dilation * (kernel // 2)] * 4
        options = {"pads": padding, "dilations": [dilation] * 2, "group": group}
        constants = [self.build.constant(value) for value in (weight, bias)]
        made = self.build.node("Conv", source, *constants, channels=channels, **options)
        self.scales[self.build.nodes[-1].name] = np.full(channels, 2.0**-6, np.float32)
        return made

    def relu(self, source: str) -> str:
        made = self.build.node("Relu", source)
        self.grids[made] = Grid(2.0**-5, 0, unsigned=True)
        return made

    def quantized(self, output: str) -> onnx.ModelProto:
        first = self.build.nodes[0].name
        scales = {name: values for name, values in self.scales.items() if name != first}
        model = insert_qdq(self.build.model(output, None), QuantizationPlan(self.grids, scales))
        float_biases(model)
        return model


def plain(seed: int) -> onnx.ModelProto:
    net = Network(seed)
    first = net.relu(net.conv("image"))
    return net.quantized(net.conv(first, 5))


def dilated_and_unpadded(seed: int) -> onnx.ModelProto:
    net = Network(seed)
    first = net.relu(net.conv("image"))
    second = net.relu(net.conv(first, dilation=3))
    aside = net.relu(net.conv(first, kernel=1))
    return net.quantized(net.build.node("Add", net.conv(second, 5), net.conv(aside, 5, kernel=1)))


def residual(seed: int) -> onnx.ModelProto:
    net = Network(seed)
    first = net.relu(net.conv("image"))
    inner = net.relu(net.conv(first))
    second = net.relu(net.build.node("Add", net.conv(inner), first))
    third = net.relu(net.build.node("Add", net.conv(second), second))
    return net.quantized(net.conv(third, 5))


def residual_at_the_end(seed: int) -> onnx.ModelProto:
    """The result of the addition is a network's output, so that it reads a slice."""
    net = Network(seed)
    first = net.relu(net.conv("image", 5 + 27))
    return net.quantized(net.build.node("Add", net.conv(first, 32), first))


NETWORKS = {
    "plain": plain,
    "dilated and unpadded": dilated_and_unpadded,
    "residual": residual,
    "residual at the end": residual_at_the_end,
}


def balanced(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = copy_model(model)
    balance_with_constant_channels(copy)
    check_model(copy, "here")
    return copy


def shifted(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = copy_model(model)
    shift_to_signed(copy)
    check_model(copy, "here")
    return copy


def outputs(model: onnx.ModelProto, seed: int) -> np.ndarray:
    image = np.random.default_rng(seed).integers(-40, 41, (1, 3, 32, 48)).astype(np.float32) / 8
    (values,) = run(model, {"image": image}, [model.graph.output[0].name])
    return values


@pytest.mark.parametrize("name", NETWORKS)
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**16))
def test_numbers_are_the_same_to_the_last_bit_borders_included(name: str, seed: int) -> None:
    model = NETWORKS[name](seed)
    wide = balanced(model)
    assert np.array_equal(outputs(model, seed), outputs(wide, seed)), "zeros are added to every sum"
    signed = shifted(wide)
    assert all(pair.grid == Grid(2.0**-5, 0, unsigned=False) for pair in pairs(GraphView(signed)))
    assert not {"Relu", "Clip"} & {node.op_type for node in signed.graph.node}
    assert np.array_equal(outputs(model, seed), outputs(signed, seed))


def test_symmetric_grids_alone_would_not_be_the_same() -> None:
    model = plain(0)
    make_grids_symmetric(model)
    assert not np.array_equal(outputs(plain(0), 0), outputs(model, 0))


@pytest.mark.parametrize("name", NETWORKS)
def test_constant_channels_hold_the_lowest_code_and_come_from_convolutions(name: str) -> None:
    model = shifted(balanced(NETWORKS[name](3)))
    view = GraphView(model)
    for pair in pairs(view):
        codes = pair.quantize.output[0]
        model.graph.output.append(onnx.helper.make_tensor_value_info(codes, onnx.TensorProto.INT8, None))
    names = [info.name for info in model.graph.output][1:]
    image = np.random.default_rng(1).integers(-40, 41, (1, 3, 32, 48)).astype(np.float32) / 8
    for codes in run(model, {"image": image}, names):
        constant = (codes == -128).all(axis=(0, 2, 3))
        assert codes.shape[1] % MULTIPLE == 0
        if codes.shape[1] > SIZE:
            assert constant[SIZE:].all()
    assert {node.op_type for node in model.graph.node} <= {"Conv", "Add", "Slice", "QuantizeLinear", "DequantizeLinear"}


def test_chains_stay_whole() -> None:
    """The first convolution is float; of the others every one takes codes and gives codes, but for the last."""
    before, after = (int8_chains(shifted(change(residual(5)))) for change in (copy_model, balanced))
    assert len(after.breaks) <= len(before.breaks)
    make_grids_symmetric(model := shifted(balanced(residual(5))))
    assert [one.kind for one in int8_chains(model).breaks] == ["Conv", "Conv"]


def depthwise(seed: int) -> onnx.ModelProto:
    net = Network(seed)
    first = net.relu(net.conv("image"))
    return net.quantized(net.conv(first, SIZE, group=SIZE))


def pooled(seed: int) -> onnx.ModelProto:
    net = Network(seed)
    first = net.relu(net.conv("image"))
    wide = net.build.node("MaxPool", first, kernel_shape=[2, 2], strides=[2, 2])
    return net.quantized(net.build.node("Concat", net.conv(wide, 5), wide, axis=1))


@pytest.mark.parametrize("network", [depthwise, pooled])
def test_what_cannot_be_widened_stays(network: object) -> None:
    model = network(0)  # type: ignore[operator]
    assert balanced(model) == model


def test_channels_that_cost_too_much_are_not_added(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constant_channels, "LARGEST_SHARE", 0.01)
    model = plain(0)
    assert balanced(model) == model
