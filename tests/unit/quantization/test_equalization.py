from __future__ import annotations

import numpy as np
import onnx
import pytest
from numpy.testing import assert_allclose
from onnx import TensorProto, helper, numpy_helper

from etc_edge.backends.onnxruntime.reference import run_reference
from etc_edge.graph.bounds import with_divided_bounds
from etc_edge.graph.load import to_bytes
from etc_edge.quantization.calibrate import channel_peaks
from etc_edge.quantization.equalization import LEAST_FACTOR, apply_factors, equalization_factors

SIZE = (12, 16)


class Net:
    """A deployed graph, written operator by operator, with channels of very different sizes."""

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.add("Transpose", ["frame"], perm=[0, 3, 1, 2])
        self.add("Cast", [self.last], to=TensorProto.FLOAT)
        self.add("Mul", [self.last, self.constant(np.full((1, 3, 1, 1), 1 / 64))])
        self.image = self.last

    @property
    def last(self) -> str:
        return str(self.nodes[-1].output[0])

    def constant(self, value: np.ndarray) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, np.float32), name))
        return name

    def add(self, op_type: str, inputs: list[str], **options: object) -> str:
        output = f"tensor_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op_type, inputs, [output], name=f"node_{len(self.nodes)}", **options))
        return output

    def convolution(self, source: str, inputs: int, outputs: int, groups: int = 1) -> str:
        spread = np.exp(self.rng.uniform(-3, 1, outputs)).reshape(-1, 1, 1, 1)
        weight = self.rng.normal(size=(outputs, inputs // groups, 3, 3)) * spread
        bias = self.rng.normal(size=outputs) * spread.reshape(-1)
        names = [self.constant(weight), self.constant(bias)]
        return self.add("Conv", [source, *names], pads=[1, 1, 1, 1], group=groups)

    def clip(self, source: str) -> str:
        return self.add("Clip", [source, self.constant(np.float32(0)), self.constant(np.float32(6))])

    def model(self) -> onnx.ModelProto:
        logits = self.last
        nodes = [
            *self.nodes,
            helper.make_node("ArgMax", [logits], ["best"], axis=1, keepdims=0),
            helper.make_node("Cast", ["best"], ["labels"], to=TensorProto.UINT8),
        ]
        graph = helper.make_graph(
            nodes,
            "net",
            [helper.make_tensor_value_info("frame", TensorProto.UINT8, [1, *SIZE, 3])],
            [
                helper.make_tensor_value_info("labels", TensorProto.UINT8, [1, *SIZE]),
                helper.make_tensor_value_info(logits, TensorProto.FLOAT, [1, 5, *SIZE]),
            ],
            self.constants,
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def residual(net: Net) -> None:
    """Two branches added, rectified, and read twice."""
    left, right = net.convolution(net.image, 3, 8), net.convolution(net.image, 3, 8)
    joined = net.add("Relu", [net.add("Add", [left, right])])
    again = net.add("Relu", [net.add("Add", [net.convolution(joined, 8, 8), joined])])
    net.convolution(again, 8, 5)


def concatenated(net: Net) -> None:
    """One tensor by itself and inside a concatenation, pooled and enlarged."""
    left, right = net.convolution(net.image, 3, 4), net.add("Relu", [net.convolution(net.image, 3, 6)])
    pooled = net.add("MaxPool", [right], kernel_shape=[2, 2], strides=[2, 2])
    scales = net.constant(np.array([1, 1, 2, 2]))
    enlarged = net.add("Resize", [pooled, "", scales], mode="linear")
    net.convolution(net.add("Concat", [left, enlarged, left], axis=1), 14, 5)


def transposed(net: Net) -> None:
    """PReLU, then a strided and a transposed convolution."""
    first = net.convolution(net.image, 3, 8)
    activated = net.add("PRelu", [first, net.constant(net.rng.uniform(0.1, 0.5, (8, 1, 1)))])
    pooled = net.add("AveragePool", [activated], kernel_shape=[2, 2], strides=[2, 2])
    weight = net.constant(net.rng.normal(size=(8, 3, 2, 2)))
    wide = net.add("ConvTranspose", [pooled, weight], strides=[2, 2], group=2)
    net.convolution(wide, 6, 5)


def depthwise(net: Net) -> None:
    """A depthwise convolution between two others."""
    first = net.add("Relu", [net.convolution(net.image, 3, 8)])
    net.convolution(net.add("Relu", [net.convolution(first, 8, 8, groups=8)]), 8, 5)


@pytest.mark.parametrize("build", [residual, concatenated, transposed, depthwise])
def test_the_network_computes_what_it_did(build: object) -> None:
    net = Net()
    build(net)  # type: ignore[operator]
    model, frames = net.model(), _frames(3)
    activations = [name for node in net.nodes[3:] for name in node.output if name != net.last]

    factors = equalization_factors(model, channel_peaks(model, activations, frames))
    equalized = apply_factors(model, factors)

    assert factors
    assert all(LEAST_FACTOR <= value <= 1.0 for values in factors.values() for value in values)
    for frame in _frames(2, seed=9):
        (_, before), (_, after) = (run_reference(to_bytes(one), {"frame": frame[None]}) for one in (model, equalized))
        assert_allclose(after, before, rtol=1e-4, atol=1e-4 * np.abs(before).max())


def test_channels_come_closer_to_one_another() -> None:
    net = Net()
    depthwise(net)
    model, frames = net.model(), _frames(3)
    name = net.nodes[4].output[0]

    before = channel_peaks(model, [name], frames)
    equalized = apply_factors(model, equalization_factors(model, before))
    after = channel_peaks(equalized, [name], frames)

    assert after[name].max() <= before[name].max() * 1.0001
    assert after[name].min() / after[name].max() > 5 * before[name].min() / before[name].max()


def test_a_bound_never_cuts_what_was_seen() -> None:
    net = Net()
    net.convolution(net.clip(net.convolution(net.image, 3, 8)), 8, 5)
    model, frames = net.model(), _frames(3)
    activation = net.nodes[4].output[0]

    factors = equalization_factors(model, channel_peaks(model, [activation], frames))
    equalized = apply_factors(model, factors)

    for frame in frames:
        (_, before), (_, after) = (run_reference(to_bytes(one), {"frame": frame[None]}) for one in (model, equalized))
        assert_allclose(after, before, rtol=1e-4, atol=1e-4 * np.abs(before).max())


def test_what_was_not_seen_is_cut_by_the_bounds_that_are_told() -> None:
    net = Net()
    first = net.clip(net.convolution(net.image, 3, 8))
    second = net.clip(net.convolution(first, 8, 8))
    net.convolution(second, 8, 5)
    model = net.model()
    dark = [frame // 8 for frame in _frames(3)]

    factors = equalization_factors(model, channel_peaks(model, [first, second], dark))
    equalized, bounded = apply_factors(model, factors), with_divided_bounds(model, factors)

    frame = {"frame": _frames(1, seed=5)[0][None]}
    (_, free), (_, cut), (_, told) = (run_reference(to_bytes(one), frame) for one in (model, equalized, bounded))
    assert np.abs(cut - free).max() > 0.01 * np.abs(free).max()
    assert_allclose(cut, told, rtol=1e-4, atol=1e-4 * np.abs(free).max())


def test_the_logits_and_what_is_not_linear_stay() -> None:
    net = Net()
    first = net.convolution(net.image, 3, 8)
    gate = net.add("Sigmoid", [first])
    net.convolution(net.add("Mul", [first, gate]), 8, 5)
    model = net.model()
    names = [first, gate, net.nodes[-2].output[0], net.last]

    assert equalization_factors(model, channel_peaks(model, names, _frames(2))) == {}


def _frames(count: int, seed: int = 1) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, (*SIZE, 3), dtype=np.uint8) for _ in range(count)]
