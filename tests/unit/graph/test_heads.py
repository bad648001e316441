"""The labels head against torch's interpolation and argmax."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from etc_edge.core.errors import GraphError
from etc_edge.graph.heads import LABELS, Upsampling, append_labels_head, output_logits, take_off_head
from etc_edge.graph.load import check_model, rename_tensor
from tests.small_networks import CLASSES, SIZE_HW, Builder, run

IMAGE = np.random.default_rng(2).normal(size=(1, 3, *SIZE_HW)).astype(np.float32)


def network(stride: int, last: str | None = None, classes: int = CLASSES, **options: int) -> onnx.ModelProto:
    build = Builder()
    logits = build.conv("image", classes, kernel=5, stride=stride)
    kind = TensorProto.INT64 if last == "ArgMax" else TensorProto.FLOAT
    rank = 2 if last == "Flatten" else 4
    return build.model(logits if last is None else build.node(last, logits, **options), None, kind=kind, rank=rank)


def operators(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


@pytest.mark.parametrize("upsampling", ["align_corners", "half_pixel"])
@pytest.mark.parametrize("stride", [1, 2, 8])
def test_labels_are_those_of_torch(stride: int, upsampling: Upsampling) -> None:
    plain = network(stride)
    model, logits = append_labels_head(plain, CLASSES, SIZE_HW, upsampling)
    check_model(model, "here")
    assert logits == plain.graph.output[0].name
    assert ("Resize" in operators(model)) == (stride > 1)
    (labels,) = run(model, {"image": IMAGE}, [LABELS])
    assert (labels.dtype, labels.shape) == (np.uint8, (1, *SIZE_HW))
    values = torch.from_numpy(run(plain, {"image": IMAGE}, [logits])[0])
    enlarged = torch.nn.functional.interpolate(
        values.double(), SIZE_HW, mode="bilinear", align_corners=upsampling == "align_corners"
    )
    best = enlarged.topk(2, dim=1)
    clear = (best.values[0, 0] - best.values[0, 1] > 1e-5).numpy()
    assert clear.mean() > 0.99
    assert np.array_equal(labels[0][clear], best.indices[0, 0].numpy()[clear])


def test_the_first_of_equal_classes_wins() -> None:
    build = Builder()
    half = build.conv("image", 3)
    model, _ = append_labels_head(build.model(build.node("Concat", half, half, axis=1), 6), 6, SIZE_HW, "align_corners")
    (labels,) = run(model, {"image": IMAGE}, [LABELS])
    assert set(np.unique(labels)) == {0, 1, 2}


@pytest.mark.parametrize("last", ["Softmax", "LogSoftmax"])
@pytest.mark.parametrize("axis", [1, -3])
def test_a_softmax_is_taken_off(last: str, axis: int) -> None:
    model, logits = append_labels_head(network(2, last, axis=axis), CLASSES, SIZE_HW, "align_corners")
    check_model(model, "here")
    assert last not in operators(model)
    assert logits == "conv_0_out"
    expected = append_labels_head(network(2), CLASSES, SIZE_HW, "align_corners")[0]
    assert np.array_equal(run(model, {"image": IMAGE}, [LABELS])[0], run(expected, {"image": IMAGE}, [LABELS])[0])


def test_a_softmax_over_something_else_stays() -> None:
    model, logits = append_labels_head(network(2, "Softmax", axis=3), CLASSES, SIZE_HW, "align_corners")
    assert "Softmax" in operators(model)
    assert logits == "softmax_1_out"


def with_outputs(*infos: onnx.ValueInfoProto) -> onnx.ModelProto:
    model = network(2)
    model.graph.output.extend(infos)
    return model


@pytest.mark.parametrize(
    ("model", "classes", "says"),
    [
        (network(2), 7, "Found 5 channels in output 'conv_0_out', expected one a class: 7"),
        (network(2, classes=1), 1, "Found one channel in output 'conv_0_out', expected two or more"),
        (network(2, "ArgMax", axis=1, keepdims=1), 5, "expected float logits"),
        (network(2, "Flatten", axis=1), 5, r"of shape \(1, 1920\), expected float logits"),
        (
            with_outputs(helper.make_tensor_value_info("image", TensorProto.FLOAT, None)),
            5,
            r"Found 2 outputs \(conv_0_out, image\), expected one",
        ),
    ],
)
def test_networks_with_other_outputs(model: onnx.ModelProto, classes: int, says: str) -> None:
    with pytest.raises(GraphError, match=says):
        append_labels_head(model, classes, SIZE_HW, "align_corners")


@pytest.mark.parametrize("taken", ["image", "constant_0", "relu_1_out", "conv_2_out"])
def test_networks_that_call_something_else_labels(taken: str) -> None:
    build = Builder()
    out = build.conv(build.node("Relu", build.conv("image", 8)), CLASSES)
    plain = build.model(out)
    rename_tensor(plain, taken, LABELS)
    model, logits = append_labels_head(plain, CLASSES, SIZE_HW, "align_corners")
    check_model(model, "here")
    source = model.graph.input[0].name
    labels, values = run(output_logits(model, logits), {source: IMAGE}, [LABELS, logits])
    assert np.array_equal(labels, values.argmax(1))


def test_logits_can_be_asked_for() -> None:
    model, logits = append_labels_head(network(2), CLASSES, SIZE_HW, "align_corners")
    both = output_logits(model, logits)
    assert [info.name for info in both.graph.output] == [LABELS, logits]
    assert [info.name for info in output_logits(both, logits).graph.output] == [LABELS, logits]
    assert [info.name for info in model.graph.output] == [LABELS]
    with pytest.raises(GraphError, match="Found no tensor 'nobody'"):
        output_logits(model, "nobody")


@pytest.mark.parametrize("upsampling", ["align_corners", "half_pixel"])
def test_taking_the_head_off_leaves_the_logits(upsampling: Upsampling) -> None:
    plain = network(8)
    model, logits = append_labels_head(plain, CLASSES, SIZE_HW, upsampling)
    taken = take_off_head(model)
    assert taken is not None
    headless, found = taken
    check_model(headless, "here")
    assert found == upsampling
    assert [info.name for info in headless.graph.output] == [logits]
    assert {"Resize", "ArgMax", "Cast"}.isdisjoint(operators(headless))
    assert [info.name for info in model.graph.output] == [LABELS], "the model given is left as it is"
    expected, values = (run(one, {"image": IMAGE}, [logits])[0] for one in (plain, headless))
    assert np.array_equal(expected, values)


def test_heads_of_other_kinds_stay() -> None:
    assert take_off_head(append_labels_head(network(1), CLASSES, SIZE_HW, "half_pixel")[0]) is None
    nearest, _ = append_labels_head(network(8), CLASSES, SIZE_HW, "half_pixel")
    resize = next(node for node in nearest.graph.node if node.op_type == "Resize")
    for attribute in resize.attribute:
        if attribute.name == "mode":
            attribute.s = b"nearest"
    assert take_off_head(nearest) is None
    last, _ = append_labels_head(network(8), CLASSES, SIZE_HW, "half_pixel")
    argmax = next(node for node in last.graph.node if node.op_type == "ArgMax")
    argmax.attribute.append(helper.make_attribute("select_last_index", 1))
    assert take_off_head(last) is None
    assert take_off_head(network(8)) is None
