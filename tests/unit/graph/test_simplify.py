"""Simplified graphs compute what the original computes, in operators that quantization understands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from etc_edge.core.errors import GraphError
from etc_edge.graph.load import copy_model
from etc_edge.graph.simplify import name_nodes, simplify
from tests.small_networks import BLOCKS, Builder, Float, network, run

IMAGE = np.random.default_rng(1).normal(size=(1, 3, 32, 48)).astype(np.float32)


def operators(model: onnx.ModelProto) -> Counter[str]:
    return Counter(node.op_type for node in model.graph.node)


def result(model: onnx.ModelProto, image: Float = IMAGE) -> Float:
    found: Float = run(model, {model.graph.input[-1].name: image}, [model.graph.output[0].name])[0]
    return found


def assert_same(simplified: onnx.ModelProto, original: onnx.ModelProto, image: Float = IMAGE) -> None:
    expected = result(original, image)
    assert np.abs(result(simplified, image) - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("block", BLOCKS)
def test_every_kind_of_network_computes_the_same(block: str) -> None:
    model = network(block)
    simplified = simplify(model)
    assert_same(simplified, model)
    assert "BatchNormalization" not in operators(simplified)
    names = [node.name for node in simplified.graph.node]
    assert "" not in names
    assert len(set(names)) == len(names)


Layer = Callable[[Builder, str], str]
FOLDED: dict[str, Layer] = {
    "convolution": lambda build, x: build.batch_norm(build.conv(x, 12)),
    "without bias": lambda build, x: build.batch_norm(build.conv(x, 12, bias=False)),
    "depthwise": lambda build, x: build.batch_norm(build.conv(x, 8, group=8)),
    "grouped": lambda build, x: build.batch_norm(build.conv(x, 12, group=2)),
    "transposed": lambda build, x: build.batch_norm(build.conv_transpose(x, 12)),
    "transposed and grouped": lambda build, x: build.batch_norm(build.conv_transpose(x, 12, group=4)),
    "transposed depthwise": lambda build, x: build.batch_norm(build.conv_transpose(x, 8, group=8)),
    "twice": lambda build, x: build.batch_norm(build.batch_norm(build.conv(x, 12))),
    "factor and offset": lambda build, x: build.node(
        "Add",
        build.node("Mul", build.conv(x, 12), build.constant(build.random.normal(size=(1, 12, 1, 1)))),
        build.constant(build.random.normal(size=(12, 1, 1))),
    ),
    "constant first": lambda build, x: build.node("Add", build.constant(0.5), build.conv(x, 12), channels=12),
    "difference and quotient": lambda build, x: build.node(
        "Div",
        build.node("Sub", build.conv(x, 12), build.constant(build.random.normal(size=(1, 12, 1, 1)))),
        build.constant(build.random.uniform(1, 2, (12, 1, 1))),
    ),
}


@pytest.mark.parametrize("layer", FOLDED)
def test_what_a_convolution_can_take_in_is_folded(layer: str) -> None:
    build = Builder()
    stem = build.node("Relu", build.conv("image", 8))
    model = build.model(build.node("Relu", FOLDED[layer](build, stem)), None)
    simplified = simplify(model)
    assert_same(simplified, model)
    convolution = "ConvTranspose" if "transposed" in layer else "Conv"
    assert operators(simplified) == Counter(["Conv", "Relu", convolution, "Relu"])


KEPT: dict[str, tuple[Layer, str]] = {
    "along the width": (lambda build, x: build.node("Mul", x, build.constant(np.linspace(1, 2, 48))), "Mul"),
    "a picture": (lambda build, x: build.node("Add", x, build.constant(np.ones((1, 8, 32, 48)))), "Add"),
    "constant over value": (lambda build, x: build.node("Div", build.constant(1.0), x, channels=8), "Div"),
    "constant minus value": (lambda build, x: build.node("Sub", build.constant(1.0), x, channels=8), "Sub"),
}


@pytest.mark.parametrize("layer", KEPT)
def test_what_it_cannot_take_in_stays(layer: str) -> None:
    build = Builder()
    make, kind = KEPT[layer]
    model = build.model(make(build, build.conv("image", 8)), None)
    simplified = simplify(model)
    assert kind in operators(simplified)
    expected, found = result(model), result(simplified)
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()


def test_a_result_that_is_read_twice_is_not_changed() -> None:
    build = Builder()
    shared = build.conv("image", 8)
    model = build.model(build.node("Add", build.node("Relu", shared), build.batch_norm(shared)), None)
    simplified = simplify(model)
    assert_same(simplified, model)


def test_weights_that_are_shared_are_folded_each_for_itself() -> None:
    build = Builder()
    weight = build.constant(build.random.normal(size=(3, 3, 1, 1)))
    first = build.batch_norm(build.node("Conv", "image", weight))
    second = build.batch_norm(build.node("Conv", build.node("Relu", first), weight))
    model = build.model(second, None)
    assert_same(simplify(model), model)
    assert operators(simplify(model)) == Counter(["Conv", "Relu", "Conv"])


def test_batch_norm_after_a_concatenation_becomes_a_depthwise_convolution() -> None:
    model = network("batch_norm")
    simplified = simplify(model)
    assert_same(simplified, model)
    groups = [a.i for node in simplified.graph.node for a in node.attribute if a.name == "group" and a.i > 1]
    assert groups == [80]


@pytest.mark.parametrize("opset", [9, 11, 13])
def test_old_files_with_their_weights_among_the_inputs(opset: int) -> None:
    model = network("batch_norm", opset=opset)
    model.ir_version = 3
    weights = [
        helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims) for tensor in model.graph.initializer
    ]
    image = copy_model(model).graph.input[0]
    del model.graph.input[:]
    model.graph.input.extend([*weights, image])
    simplified = simplify(model)
    assert [info.name for info in simplified.graph.input] == ["image"]
    assert simplified.opset_import[0].version >= 17
    assert_same(simplified, model)


@pytest.mark.parametrize("fixed", [False, True])
def test_a_size_that_is_given(fixed: bool) -> None:
    model = network("resize_half_pixel")
    if not fixed:
        for axis, name in ((0, "batch"), (2, "height"), (3, "width")):
            model.graph.input[0].type.tensor_type.shape.dim[axis].dim_param = name
        with pytest.raises(GraphError, match="Found input 'image' of unknown size") as error:
            simplify(model)
        assert error.value.hint == "Give it with --size HxW."
    simplified = simplify(model, (32, 48))
    shape = simplified.graph.input[0].type.tensor_type.shape
    assert [dim.dim_value for dim in shape.dim] == [1, 3, 32, 48]
    assert_same(simplified, model)
    if not fixed:
        larger = np.random.default_rng(0).normal(size=(1, 3, 40, 64)).astype(np.float32)
        assert_same(simplify(model, (40, 64)), model, larger)


def with_input(kind: int = TensorProto.FLOAT, shape: tuple[int | str, ...] = (1, 3, 32, 48)) -> onnx.ModelProto:
    model = network("relu")
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("image", kind, shape))
    return model


def with_two_inputs() -> onnx.ModelProto:
    build = Builder()
    model = build.model(build.node("Add", build.conv("image"), "other"), None)
    model.graph.input.append(helper.make_tensor_value_info("other", TensorProto.FLOAT, [1]))
    return model


@pytest.mark.parametrize(
    ("model", "size", "says"),
    [
        (with_two_inputs(), None, r"Found 2 inputs \(image, other\), expected one image input"),
        (with_input(shape=(1, 3, 32)), None, "Found input 'image' of type FLOAT and rank 3, expected float NCHW"),
        (with_input(TensorProto.UINT8), None, "Found input 'image' of type UINT8 and rank 4, expected float NCHW"),
        (with_input(shape=(1, 32, 48, 3)), None, "Found input 'image' with 32 channels, expected 3"),
        (with_input(), (64, 96), "Found input 'image' fixed at 32x48, asked for 64x96"),
        (with_input(shape=(1, 3, "h", 48)), None, "Found input 'image' of unknown size"),
        (with_input(shape=(1, 3, "h", 48)), (32, 64), "Found input 'image' fixed at 0x48, asked for 32x64"),
    ],
)
def test_networks_with_another_input(model: onnx.ModelProto, size: tuple[int, int] | None, says: str) -> None:
    with pytest.raises(GraphError, match=says):
        simplify(model, size)


def test_nothing_is_written_to_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    simplify(network("concat"))
    assert capfd.readouterr() == ("", "")


def test_names_are_made_unique_and_kept_where_they_can_be() -> None:
    model = network("relu")
    for node, name in zip(model.graph.node, ["", "same", "same", "preprocess_me", "head_me", "own"], strict=False):
        node.name = name
    name_nodes(model)
    names = [node.name for node in model.graph.node]
    assert len(set(names)) == len(names)
    assert names[1:5] == ["same", "same_1", "network_preprocess_me", "network_head_me"]
    assert names[0].startswith("Conv")
