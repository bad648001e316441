"""The last nodes of a deployed graph: from logits of any resolution to one uint8 label a pixel."""

from __future__ import annotations

from typing import Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from etc_edge.core.errors import GraphError
from etc_edge.graph.load import copy_model, rename_tensor, replace_nodes
from etc_edge.graph.view import GraphView, attributes, fresh_name, tensor_names

LABELS = "labels"

Upsampling = Literal["align_corners", "half_pixel"]

_UPSAMPLINGS: dict[bytes, Upsampling] = {b"align_corners": "align_corners", b"half_pixel": "half_pixel"}

# Heads that enlarge less leave little to skip.
LEAST_ENLARGEMENT = 2


def append_labels_head(
    model: onnx.ModelProto, classes: int, size_hw: tuple[int, int], upsampling: Upsampling
) -> tuple[onnx.ModelProto, str]:
    """A copy whose output is `labels`, uint8 (1, H, W), and the name of the logits tensor that it comes from.

    Logits of another size are resized bilinearly to `size_hw` before the argmax. A softmax at the end of the
    network is taken off, since it does not change which class is the largest; what is resized is the logits.

    Raises:
        GraphError: the network has not one (1, classes, h, w) float output.
    """
    copy = copy_model(model)
    taken = tensor_names(copy)
    if len(copy.graph.output) != 1:
        found = ", ".join(info.name for info in copy.graph.output)
        raise GraphError(f"Found {len(copy.graph.output)} outputs ({found}), expected one: the logits.")
    if LABELS in taken:
        rename_tensor(copy, LABELS, fresh_name(f"network_{LABELS}", taken))
    view = GraphView(copy)
    logits = _before_softmax(copy, view, copy.graph.output[0].name)
    shape = view.static_shape(logits)
    if len(shape) != 4 or shape[0] != 1 or not view.is_float(logits):
        raise GraphError(f"Found output {logits!r} of shape {shape}, expected float logits (1, classes, h, w).")
    if shape[1] != classes:
        raise GraphError(
            f"Found {shape[1]} channels in output {logits!r}, expected one a class: {classes}.",
            "Check that the network and the list of classes belong together.",
        )
    if classes < 2:
        raise GraphError(
            f"Found one channel in output {logits!r}, expected two or more.",
            "The label of a pixel is the channel with the largest logit; give the background one of its own.",
        )
    current = logits
    if shape[2:] != size_hw:
        current = fresh_name("full_size_logits", taken)
        sizes = fresh_name("full_size", taken)
        copy.graph.initializer.append(numpy_helper.from_array(np.array([1, classes, *size_hw], np.int64), sizes))
        mode = {"mode": "linear", "coordinate_transformation_mode": upsampling}
        copy.graph.node.append(
            helper.make_node("Resize", [logits, "", "", sizes], [current], name="head_resize", **mode)
        )
    best = fresh_name("best_class", taken)
    copy.graph.node.append(helper.make_node("ArgMax", [current], [best], name="head_argmax", axis=1, keepdims=0))
    copy.graph.node.append(helper.make_node("Cast", [best], [LABELS], name="head_cast", to=TensorProto.UINT8))
    del copy.graph.output[:]
    copy.graph.output.append(helper.make_tensor_value_info(LABELS, TensorProto.UINT8, [1, *size_hw]))
    return copy, logits


def _before_softmax(model: onnx.ModelProto, view: GraphView, output: str) -> str:
    node = view.producer.get(output)
    if node is None or node.op_type not in ("Softmax", "LogSoftmax") or attributes(node).get("axis", -1) not in (1, -3):
        return output
    model.graph.node.remove(node)
    return str(node.input[0])


def take_off_head(model: onnx.ModelProto) -> tuple[onnx.ModelProto, Upsampling] | None:
    """A copy of a deployed graph that ends in its logits, and how they become labels: upsampled so, then argmax.

    None where the head is another than `append_labels_head` makes, or enlarges too little for `backends.labels_head`
    to save time.
    """
    view = GraphView(model)
    chain = []
    current = LABELS
    for expected in ("Cast", "ArgMax", "Resize"):
        node = view.producer.get(current)
        if node is None or node.op_type != expected or len(view.consumers.get(current, [])) > (current != LABELS):
            return None
        chain.append(node)
        current = node.input[0]
    argmax, resize = (attributes(node) for node in chain[1:])
    upsampling = _UPSAMPLINGS.get(resize.get("coordinate_transformation_mode", b"half_pixel"))
    if upsampling is None or resize.get("mode", b"nearest") != b"linear" or argmax.get("axis", 0) != 1:
        return None
    if resize.get("antialias", 0) or argmax.get("select_last_index", 0):
        return None
    shape, full = view.shape(current), view.shape(chain[2].output[0])
    if shape is None or full is None or len(shape) != 4 or shape[:2] != full[:2]:
        return None
    if any(large < LEAST_ENLARGEMENT * small for small, large in zip(shape[2:], full[2:], strict=True)):
        return None
    copy = output_logits(model, current)
    replace_nodes(copy, [node for node in copy.graph.node if node.output[0] not in {one.output[0] for one in chain}])
    kept = [info for info in copy.graph.output if info.name == current]
    del copy.graph.output[:]
    copy.graph.output.extend(kept)
    return copy, upsampling


def output_logits(model: onnx.ModelProto, logits: str) -> onnx.ModelProto:
    """A copy of a deployed graph that also gives the logits, as a second output.

    Raises:
        GraphError: there is no such tensor.
    """
    copy = copy_model(model)
    if any(info.name == logits for info in copy.graph.output):
        return copy
    shape = GraphView(copy).shape(logits)
    if logits not in tensor_names(copy):
        raise GraphError(f"Found no tensor {logits!r}, which the manifest names as the logits.")
    copy.graph.output.append(helper.make_tensor_value_info(logits, TensorProto.FLOAT, shape))
    return copy
