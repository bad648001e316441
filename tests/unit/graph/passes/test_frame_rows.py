"""Frames normalised row by row are those that the bundle's own preprocessing makes."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from etc_edge.backends.onnxruntime.reference import run_reference
from etc_edge.core.bundle import Bundle
from etc_edge.core.preprocessing import Preprocessing
from etc_edge.graph.heads import LABELS
from etc_edge.graph.load import check_model, copy_model, load_model, to_bytes
from etc_edge.graph.lower import lower
from etc_edge.graph.passes.frame_rows import normalise_rows
from etc_edge.graph.preprocess import FRAME, NORMALISE, prepend_preprocessing
from etc_edge.stages.demo import MODEL
from tests.quantized_networks import quantized
from tests.small_networks import SIZE_HW, Builder, deployed, frames, run


def in_rows(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = copy_model(model)
    normalise_rows(copy)
    check_model(copy, "here")
    return copy


def operators(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


def test_every_value_of_every_colour() -> None:
    """(value − mean) / std by hand, in float64."""
    size_hw, mean, std = (16, 16), (123.7, 116.3, 103.5), (58.4, 57.1, 57.4)
    build = Builder(size_hw=size_hw)
    network = build.model(build.node("Identity", "image"), 3)
    model = in_rows(prepend_preprocessing(network, Preprocessing(size_hw, mean_rgb=mean, std_rgb=std)))
    assert "Conv" not in operators(model)
    frame = np.repeat(np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1), 3, 3)
    found = run(model, {FRAME: frame}, [network.graph.output[0].name])[0]
    expected = ((frame - np.array(mean)) / np.array(std)).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("block", ["relu", "prelu", "hard_sigmoid_gate"])
def test_small_networks_give_the_same_labels(block: str) -> None:
    model = deployed(block)[0]
    for frame in frames(3):
        labels = [run(one, {FRAME: frame[None]}, [LABELS])[0] for one in (model, in_rows(model))]
        assert np.mean(labels[0] == labels[1]) > 0.999, "but for logits that differ by a rounding"


def test_codes_are_the_same() -> None:
    model = quantized("relu", "symmetric")[0]
    for frame in frames(3):
        labels = [run(one, {FRAME: frame[None]}, [LABELS])[0] for one in (model, in_rows(model))]
        np.testing.assert_array_equal(*labels)


@pytest.mark.parametrize("target", ["onnxruntime", "openvino", "onnxruntime-saturating", "openvino-saturating"])
def test_the_shipped_network_in_the_forms_of_processors(target: str) -> None:
    bundle = Bundle.open(MODEL)
    model = lower(load_model(bundle.model_path), target)  # type: ignore[arg-type]
    assert NORMALISE not in {node.name for node in model.graph.node}
    selftest = bundle.selftest()
    for frame, labels in zip(selftest.frames, selftest.labels, strict=True):
        found = run_reference(to_bytes(model), {FRAME: frame[None]}, [LABELS])[0][0]
        assert np.mean(found == labels) > 0.9999


@pytest.mark.parametrize("target", ["tensorrt", "torch_tensorrt"])
def test_graphs_for_gpus_keep_the_convolution(target: str) -> None:
    model = lower(load_model(Bundle.open(MODEL).model_path), target)  # type: ignore[arg-type]
    assert NORMALISE in {node.name for node in model.graph.node}


def test_colours_in_another_order_are_left_as_they_are() -> None:
    build = Builder()
    network = build.model(build.conv("image", 4), 4)
    model = prepend_preprocessing(network, Preprocessing(SIZE_HW, color="bgr"))
    assert operators(in_rows(model)) == operators(model)


def test_a_graph_without_preprocessing_is_left_as_it_is() -> None:
    build = Builder()
    model = build.model(build.conv("image", 4), 4)
    assert operators(in_rows(model)) == operators(model)
