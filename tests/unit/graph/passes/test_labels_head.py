"""The head that OpenVINO runs fast gives the labels of the one that the bundle states."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from etc_edge.graph.heads import LABELS, Upsampling, append_labels_head
from etc_edge.graph.load import check_model, copy_model
from etc_edge.graph.passes.labels_head import compare_classes
from tests.small_networks import BLOCKS, SIZE_HW, Builder, deployed, frames, run

IMAGE = {"image": np.random.default_rng(2).normal(size=(1, 3, *SIZE_HW)).astype(np.float32)}


def compared(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = copy_model(model)
    compare_classes(copy)
    check_model(copy, "here")
    assert "ArgMax" not in {node.op_type for node in copy.graph.node}
    return copy


def head(stride: int, classes: int, upsampling: Upsampling = "align_corners", opset: int = 17) -> onnx.ModelProto:
    build = Builder()
    plain = build.model(build.conv("image", classes, kernel=5, stride=stride), classes, opset=opset)
    return append_labels_head(plain, classes, SIZE_HW, upsampling)[0]


@pytest.mark.parametrize("upsampling", ["align_corners", "half_pixel"])
@pytest.mark.parametrize("stride", [2, 5, 8, 40])
@pytest.mark.parametrize("classes", [2, 3, 21])
def test_enlarged_logits(stride: int, classes: int, upsampling: Upsampling) -> None:
    model = head(stride, classes, upsampling)
    expected, found = (run(one, IMAGE, [LABELS])[0] for one in (model, compared(model)))
    assert (found.dtype, found.shape) == (np.uint8, (1, *SIZE_HW))
    assert np.mean(found == expected) >= 0.999, "but for logits that differ by a rounding"


@pytest.mark.parametrize("classes", [2, 3, 21, 255])
def test_logits_of_full_size(classes: int) -> None:
    model = head(1, classes)
    expected, found = (run(one, IMAGE, [LABELS])[0] for one in (model, compared(model)))
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("opset", [17, 18, 21])
@pytest.mark.parametrize("stride", [1, 4])
def test_newer_opsets(opset: int, stride: int) -> None:
    model = head(stride, 4, opset=opset)
    expected, found = (run(one, IMAGE, [LABELS])[0] for one in (model, compared(model)))
    assert np.mean(found == expected) >= 0.999


@pytest.mark.parametrize("stride", [1, 4])
def test_the_first_of_equal_classes_wins(stride: int) -> None:
    build = Builder()
    # Logits that are small whole numbers are equal often, and interpolated by whole steps they stay exact.
    logits = build.node("Round", build.conv("image", 4, kernel=5, stride=stride))
    twice = build.node("Concat", logits, logits, axis=1, channels=8)
    model = append_labels_head(build.model(twice, 8), 8, SIZE_HW, "half_pixel")[0]
    expected, found = (run(one, IMAGE, [LABELS])[0] for one in (model, compared(model)))
    assert set(np.unique(found)) <= {0, 1, 2, 3}
    assert np.mean(found == expected) >= (1.0 if stride == 1 else 0.999)


def test_logits_that_are_equal_everywhere() -> None:
    build = Builder()
    plain = build.model(build.node("Mul", build.conv("image", 5, stride=4), build.constant(0.0)), 5)
    model = compared(append_labels_head(plain, 5, SIZE_HW, "align_corners")[0])
    assert not run(model, IMAGE, [LABELS])[0].any()


@pytest.mark.parametrize("mode", ["nearest", "cubic"])
def test_another_resize_at_the_end_is_left_alone(mode: str) -> None:
    build = Builder()
    small = build.conv("image", 5, stride=2)
    options = {"mode": mode, "coordinate_transformation_mode": "asymmetric"}
    logits = build.node("Resize", small, "", build.constant([1, 1, 2, 2]), **options)
    model = append_labels_head(build.model(logits), 5, SIZE_HW, "align_corners")[0]
    expected, found = (run(one, IMAGE, [LABELS])[0] for one in (model, compared(model)))
    assert "Resize" in {node.op_type for node in compared(model).graph.node}
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("block", BLOCKS)
def test_every_kind_of_network(block: str) -> None:
    model = deployed(block)[0]
    (frame,) = frames(1)
    expected, found = (run(one, {"frame": frame[None]}, [LABELS])[0] for one in (model, compared(model)))
    assert np.mean(found == expected) >= 0.999
