"""The first nodes of a deployed graph: from a uint8 frame to what the network was trained on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from etc_edge.core.preprocessing import Preprocessing
from etc_edge.graph.load import copy_model, rename_tensor, replace_nodes
from etc_edge.graph.view import GraphView, fresh_name, tensor_names

FRAME = "frame"
NORMALISE = "preprocess_normalise"


def prepend_preprocessing(model: onnx.ModelProto, preprocessing: Preprocessing) -> onnx.ModelProto:
    """A copy whose input is `frame`, uint8 (1, H, W, 3) in RGB order.

    The added nodes transpose to NCHW, cast to float, and normalise and order the colours in one 1×1 convolution,
    which every engine runs in parallel and in one pass over memory.
    """
    copy = copy_model(model)
    taken = tensor_names(copy)
    network_input = GraphView(copy).inputs()[0].name
    if FRAME in taken:
        renamed = fresh_name(f"network_{FRAME}", taken)
        rename_tensor(copy, FRAME, renamed)
        network_input = renamed if network_input == FRAME else network_input
    weight, bias = _normalisation(preprocessing)
    names = [fresh_name(f"preprocess_{stem}", taken) for stem in ("weight", "bias", "nchw", "float")]
    for name, value in zip(names, (weight, bias), strict=False):
        copy.graph.initializer.append(numpy_helper.from_array(value, name))
    nodes = [
        helper.make_node("Transpose", [FRAME], [names[2]], name="preprocess_transpose", perm=[0, 3, 1, 2]),
        helper.make_node("Cast", [names[2]], [names[3]], name="preprocess_cast", to=TensorProto.FLOAT),
        helper.make_node("Conv", [names[3], *names[:2]], [network_input], name=NORMALISE, kernel_shape=[1, 1]),
    ]
    replace_nodes(copy, [*nodes, *copy.graph.node])
    del copy.graph.input[:]
    shape = [1, *preprocessing.size_hw, 3]
    copy.graph.input.append(helper.make_tensor_value_info(FRAME, TensorProto.UINT8, shape))
    return copy


def _normalisation(preprocessing: Preprocessing) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Weight (3, 3, 1, 1) and bias (3,) of the convolution that gives (value − mean) / std in the network's order."""
    mean, std = (np.asarray(values, np.float64) for values in (preprocessing.mean_rgb, preprocessing.std_rgb))
    weight, bias = np.diag(1 / std), -mean / std
    if preprocessing.color == "bgr":
        weight, bias = weight[::-1], bias[::-1]
    return weight.reshape(3, 3, 1, 1).astype(np.float32), bias.astype(np.float32)
