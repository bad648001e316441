"""Small segmentation networks with every kind of operator, as ONNX graphs with random weights.

Each is a stem, a 3×3 convolution, a block with the operators in question, and a 1×1 convolution to five logits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from etc_edge.core.preprocessing import Preprocessing
from etc_edge.graph.heads import append_labels_head, output_logits
from etc_edge.graph.preprocess import FRAME, prepend_preprocessing
from etc_edge.graph.simplify import simplify

SIZE_HW = (32, 48)
CLASSES = 5
CHANNELS = 32

UInt8 = npt.NDArray[np.uint8]
Float = npt.NDArray[np.float32]


class Builder:
    """Writes an ONNX graph node by node; methods return the name of their result."""

    def __init__(self, seed: int = 0, size_hw: Sequence[int | str] = SIZE_HW) -> None:
        self.random = np.random.default_rng(seed)
        self.size_hw = tuple(size_hw)
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.channels = {"image": 3}

    def constant(self, value: Any, dtype: Any = np.float32) -> str:
        name = f"constant_{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def node(self, op_type: str, *inputs: str, channels: int | None = None, **options: Any) -> str:
        name = f"{op_type.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op_type, inputs, [f"{name}_out"], name=name, **options))
        self.channels[f"{name}_out"] = channels or self.channels.get(inputs[0], 0)
        return f"{name}_out"

    def conv(
        self,
        source: str,
        channels: int = CHANNELS,
        kernel: int = 3,
        stride: int = 1,
        dilation: int = 1,
        group: int = 1,
        bias: bool = True,
    ) -> str:
        inner = self.channels[source] // group
        weight = self.random.normal(0, 1.4 / np.sqrt(inner * kernel**2), (channels, inner, kernel, kernel))
        # Channels of unequal strength, as training leaves them.
        weight *= np.exp(self.random.normal(0, 0.5, (channels, 1, 1, 1)))
        inputs = [source, self.constant(weight)]
        if bias:
            inputs.append(self.constant(self.random.normal(0, 0.3, channels)))
        padding = [dilation * (kernel // 2)] * 4
        options = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": padding, "dilations": [dilation] * 2}
        return self.node("Conv", *inputs, channels=channels, group=group, **options)

    def conv_transpose(self, source: str, channels: int = CHANNELS, group: int = 1) -> str:
        inner = self.channels[source]
        weight = self.random.normal(0, 1.2 / np.sqrt(inner / group), (inner, channels // group, 2, 2))
        bias = self.constant(self.random.normal(0, 0.3, channels))
        options = {"kernel_shape": [2, 2], "strides": [2, 2], "group": group}
        return self.node("ConvTranspose", source, self.constant(weight), bias, channels=channels, **options)

    def batch_norm(self, source: str) -> str:
        channels = self.channels[source]
        scale, variance = np.exp(self.random.normal(0, 0.4, (2, channels)))
        shift, mean = self.random.normal(0, 0.4, (2, channels))
        parameters = [self.constant(values) for values in (scale, shift, mean, variance)]
        return self.node("BatchNormalization", source, *parameters)

    def clip(self, source: str, low: float, high: float) -> str:
        return self.node("Clip", source, self.constant(low), self.constant(high))

    def resize(self, source: str, mode: str = "linear", transformation: str = "half_pixel") -> str:
        options = {"mode": mode, "coordinate_transformation_mode": transformation}
        if mode == "nearest":
            options["nearest_mode"] = "floor"
        return self.node("Resize", source, "", self.constant([1, 1, 2, 2]), **options)

    def model(
        self,
        output: str,
        channels: int | None = CLASSES,
        opset: int = 17,
        kind: int = TensorProto.FLOAT,
        rank: int = 4,
    ) -> onnx.ModelProto:
        """The graph up to `output`, which is (1, channels, h, w), or of any size when None."""
        shape = [None] * rank if channels is None else [1, channels, None, None]
        graph = helper.make_graph(
            self.nodes,
            "small",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, *self.size_hw])],
            [helper.make_tensor_value_info(output, kind, shape)],
            self.initializers,
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


Block = Callable[[Builder, str], str]


def _gate(build: Builder, source: str, activation: str) -> str:
    squeezed = build.conv(build.node("GlobalAveragePool", source), kernel=1)
    return build.node("Mul", source, build.node(activation, squeezed))


def _concat(build: Builder, source: str) -> str:
    branches = [build.conv(source, 16), source, build.node("MaxPool", source, kernel_shape=[3, 3], pads=[1] * 4)]
    return build.node("Concat", *branches, axis=1, channels=16 + 2 * CHANNELS)


def _matmul(build: Builder, source: str) -> str:
    pooled = build.node("MatMul", source, build.constant(build.random.uniform(0, 0.1, (24, 6))))
    return build.node("MatMul", pooled, build.constant(build.random.uniform(0, 0.4, (6, 24))))


def _attention(build: Builder, source: str) -> str:
    flat = build.node("Reshape", source, build.constant([1, CHANNELS, -1], np.int64))
    turned = build.node("Transpose", flat, perm=[0, 2, 1])
    affinity = build.node("Mul", build.node("MatMul", flat, turned), build.constant(2e-4))
    mixed = build.node("MatMul", affinity, flat)
    return build.node("Reshape", mixed, build.constant([1, CHANNELS, 16, 24], np.int64), channels=CHANNELS)


def _hourglass(mode: str, transformation: str) -> Block:
    def block(build: Builder, source: str) -> str:
        small = build.conv(build.node("MaxPool", source, kernel_shape=[2, 2], strides=[2, 2]))
        return build.node("Add", source, build.resize(small, mode, transformation))

    return block


def _split(build: Builder, source: str) -> str:
    half = build.node("Slice", source, *(build.constant(value, np.int64) for value in ([0], [16], [1])), channels=16)
    rest = build.node("Slice", source, *(build.constant(value, np.int64) for value in ([16], [32], [1])), channels=16)
    return build.node("Concat", build.conv(half, 16), rest, axis=1, channels=CHANNELS)


BLOCKS: dict[str, Block] = {
    "relu": lambda build, x: build.node("Relu", build.conv(x)),
    "relu6": lambda build, x: build.clip(build.conv(x), 0, 6),
    "clip": lambda build, x: build.clip(build.conv(x), -1, 1),
    "prelu": lambda build, x: build.node(
        "PRelu", build.conv(x), build.constant(build.random.uniform(0.05, 0.4, (CHANNELS, 1, 1)))
    ),
    "leaky_relu": lambda build, x: build.node("LeakyRelu", build.conv(x), alpha=0.1),
    "hard_swish": lambda build, x: build.node("HardSwish", build.conv(x)),
    "hard_sigmoid_gate": lambda build, x: _gate(build, x, "HardSigmoid"),
    "sigmoid_gate": lambda build, x: _gate(build, x, "Sigmoid"),
    "add": lambda build, x: build.node("Relu", build.node("Add", x, build.conv(x))),
    "add_constant": lambda build, x: build.node(
        "Add", x, build.constant(build.random.normal(0, 0.5, (1, CHANNELS, 1, 1)))
    ),
    "multiply": lambda build, x: build.node("Mul", x, build.node("Relu", build.conv(x))),
    "concat": _concat,
    "max_pool": lambda build, x: build.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4),
    "average_pool": lambda build, x: build.node("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2]),
    "average_pool_padded": lambda build, x: build.node(
        "AveragePool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4, count_include_pad=1
    ),
    "average_pool_uncounted": lambda build, x: build.node(
        "AveragePool", x, kernel_shape=[3, 3], strides=[1, 1], pads=[1] * 4
    ),
    "resize_half_pixel": _hourglass("linear", "half_pixel"),
    "resize_align_corners": _hourglass("linear", "align_corners"),
    "resize_nearest": _hourglass("nearest", "asymmetric"),
    "transposed": lambda build, x: build.node("Relu", build.conv_transpose(x)),
    "transposed_grouped": lambda build, x: build.conv_transpose(x, group=4),
    "depthwise": lambda build, x: build.clip(build.conv(x, group=CHANNELS), 0, 6),
    "dilated": lambda build, x: build.node("Relu", build.conv(x, dilation=2)),
    "grouped": lambda build, x: build.node("Relu", build.conv(x, group=4, bias=False)),
    "batch_norm": lambda build, x: build.node("Relu", build.batch_norm(_concat(build, x))),
    "matmul": _matmul,
    "attention": _attention,
    "slice": _split,
}
"""What the middle of a network is made of, by name; each takes and gives an image of 1/2 resolution or coarser."""


def network(block: str | Block, seed: int = 0, opset: int = 17, classes: int = CLASSES) -> onnx.ModelProto:
    """A network around a block: float `image` (1, 3, 32, 48) to a logit a class at the block's resolution."""
    build = Builder(seed)
    stem = build.node("Relu", build.conv("image", stride=2))
    body = build.node("Relu", build.conv(stem))
    middle = (BLOCKS[block] if isinstance(block, str) else block)(build, body)
    return build.model(build.conv(middle, classes, kernel=1), classes, opset)


@cache
def deployed(block: str, seed: int = 0) -> tuple[onnx.ModelProto, str]:
    """A network of BLOCKS from uint8 frames to uint8 labels, and the name of its logits; not to be changed."""
    with_frames = prepend_preprocessing(simplify(network(block, seed)), Preprocessing(SIZE_HW))
    return append_labels_head(with_frames, CLASSES, SIZE_HW, "align_corners")


def frames(count: int, seed: int = 0, size_hw: tuple[int, int] = SIZE_HW) -> Iterator[UInt8]:
    """Smooth colourful pictures, uint8 (H, W, 3)."""
    random = np.random.default_rng(seed)
    for _ in range(count):
        coarse = random.integers(0, 256, (5, 7, 3), dtype=np.uint8)
        yield cv2.resize(coarse, size_hw[::-1], interpolation=cv2.INTER_CUBIC)  # type: ignore[misc]


def run(model: onnx.ModelProto, feeds: dict[str, Any], outputs: Sequence[str], optimized: bool = False) -> list[Any]:
    """Outputs of a graph in ONNX Runtime, by the letter unless `optimized`."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    if not optimized:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    results: list[Any] = session.run(list(outputs), feeds)
    return results


def labels_and_logits(
    model: onnx.ModelProto, logits: str, frame: UInt8, optimized: bool = False
) -> tuple[UInt8, Float]:
    """What a deployed graph gives for a frame: uint8 (H, W) and float32 (classes, h, w)."""
    outputs = run(output_logits(model, logits), {FRAME: frame[None]}, ["labels", logits], optimized)
    return outputs[0][0], outputs[1][0]
