from __future__ import annotations

from typing import Literal

import numpy as np
import onnx
import pytest

from etc_edge.core.preprocessing import Preprocessing
from etc_edge.graph.load import check_model, rename_tensor
from etc_edge.graph.preprocess import FRAME, prepend_preprocessing
from tests.small_networks import SIZE_HW, Builder, frames, run


@pytest.mark.parametrize("color", ["rgb", "bgr"])
@pytest.mark.parametrize(
    ("mean", "std"),
    [((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)), ((104, 117, 123), (1, 1, 1)), ((0,) * 3, (255,) * 3)],
)
def test_the_network_is_given_what_numpy_says(
    color: Literal["rgb", "bgr"], mean: tuple[float, float, float], std: tuple[float, float, float]
) -> None:
    build = Builder()
    network = build.model(build.node("Identity", "image"), 3)
    model = prepend_preprocessing(network, Preprocessing(SIZE_HW, mean, std, color))
    check_model(model, "here")
    (frame,) = frames(1)
    expected = (frame.astype(np.float64) - mean) / std
    expected = expected[..., ::-1] if color == "bgr" else expected
    (found,) = run(model, {FRAME: frame[None]}, [network.graph.output[0].name])
    assert found.dtype == np.float32
    assert np.abs(found[0].transpose(1, 2, 0) - expected).max() <= 1e-6 * np.abs(expected).max()


def test_the_input_is_a_frame() -> None:
    model = prepend_preprocessing(colour_sum(), Preprocessing(SIZE_HW))
    (info,) = model.graph.input
    assert (info.name, info.type.tensor_type.elem_type) == (FRAME, onnx.TensorProto.UINT8)
    assert [dim.dim_value for dim in info.type.tensor_type.shape.dim] == [1, *SIZE_HW, 3]


def colour_sum() -> onnx.ModelProto:
    build = Builder()
    convolution = build.node("Conv", "image", build.constant(np.ones((1, 3, 1, 1))))
    return build.model(build.node("Relu", convolution), 1)


@pytest.mark.parametrize("taken", ["image", "conv_0_out", "relu_1_out", "constant_0"])
def test_networks_that_call_something_else_a_frame(taken: str) -> None:
    network = colour_sum()
    rename_tensor(network, taken, FRAME)
    model = prepend_preprocessing(network, Preprocessing(SIZE_HW, (0, 0, 0), (1, 1, 1)))
    check_model(model, "here")
    (frame,) = frames(1)
    (found,) = run(model, {FRAME: frame[None]}, [model.graph.output[0].name])
    assert np.array_equal(found[0, 0], frame.sum(axis=2))
