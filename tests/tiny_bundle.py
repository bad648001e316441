"""A bundle of a few kilobytes with a real graph: convolutions that tell red, green and blue regions apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from etc_edge.core.bundle import Bundle, BundleContents, SelfTest, write_bundle
from etc_edge.core.labels import LabelSet
from etc_edge.core.preprocessing import Preprocessing

SIZE_HW = (32, 48)
LABELS = LabelSet(("red", "green", "blue"), ((255, 0, 0), (0, 255, 0), (0, 0, 255)))

UInt8 = npt.NDArray[np.uint8]


def color_frame(seed: int, size_hw: tuple[int, int] = SIZE_HW) -> UInt8:
    """Three upright bars, red, green and blue in an order and of widths that depend on `seed`, with some noise."""
    random = np.random.default_rng(seed)
    height, width = size_hw
    edges = [0, *sorted(random.integers(width // 4, width * 3 // 4, 2)), width]
    image = random.integers(0, 60, (height, width, 3))
    for channel, left, right in zip(random.permutation(3), edges[:-1], edges[1:], strict=True):
        image[:, left:right, channel] += 160
    return image.astype(np.uint8)


def color_network(size_hw: tuple[int, int] = SIZE_HW) -> onnx.ModelProto:
    """uint8 `frame` (1, H, W, 3) to uint8 `labels` (1, H, W): which of red, green and blue is strongest around a pixel.

    A normalised frame, a 3×3 convolution of stride 2 to nine channels, ReLU, a 1×1 convolution to three logits,
    bilinear upsampling, argmax.
    """
    height, width = size_hw
    spread = np.zeros((9, 3, 3, 3), np.float32)
    for output in range(9):
        spread[output, output % 3] = 1 / 9
    gather = np.zeros((3, 9, 1, 1), np.float32)
    for label in range(3):
        gather[label, label::3] = 1
    constants = {
        "mean": np.full((1, 3, 1, 1), 60, np.float32),
        "scale": np.full((1, 3, 1, 1), 1 / 60, np.float32),
        "spread": spread,
        "spread_bias": np.full(9, 1.5, np.float32),
        "gather": gather,
        "full_size": np.array([1, 3, height, width], np.int64),
    }
    node = helper.make_node
    nodes = [
        node("Transpose", ["frame"], ["planes"], perm=[0, 3, 1, 2]),
        node("Cast", ["planes"], ["float_planes"], to=TensorProto.FLOAT),
        node("Sub", ["float_planes", "mean"], ["centred"]),
        node("Mul", ["centred", "scale"], ["normalised"]),
        node("Conv", ["normalised", "spread", "spread_bias"], ["spread_out"], strides=[2, 2], pads=[1, 1, 1, 1]),
        node("Relu", ["spread_out"], ["active"]),
        node("Conv", ["active", "gather"], ["logits"]),
        node("Resize", ["logits", "", "", "full_size"], ["full"], mode="linear"),
        node("ArgMax", ["full"], ["best"], axis=1, keepdims=0),
        node("Cast", ["best"], ["labels"], to=TensorProto.UINT8),
    ]
    for number, one in enumerate(nodes):
        one.name = f"{one.op_type.lower()}_{number}"
    graph = helper.make_graph(
        nodes,
        "colors",
        [helper.make_tensor_value_info("frame", TensorProto.UINT8, [1, height, width, 3])],
        [helper.make_tensor_value_info("labels", TensorProto.UINT8, [1, height, width])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return onnx.shape_inference.infer_shapes(model)


def write_tiny_bundle(path: Path, size_hw: tuple[int, int] = SIZE_HW) -> Bundle:
    """Write the colour network; the self-test's labels come from ONNX's own reference evaluator, not from an engine."""
    model = color_network(size_hw)
    evaluator = ReferenceEvaluator(model)
    frames = np.stack([color_frame(seed, size_hw) for seed in range(2)])
    labels = np.concatenate([np.asarray(evaluator.run(None, {"frame": frame[None]})[0]) for frame in frames])
    return write_bundle(
        path,
        BundleContents(
            name="colors",
            precision="fp32",
            labels=LABELS,
            preprocessing=Preprocessing(size_hw, (60.0, 60.0, 60.0), (60.0, 60.0, 60.0)),
            logits="logits",
            model=model.SerializeToString(),
            selftest=SelfTest(frames, labels),
        ),
    )
