"""The uint8 borders of a deployed graph as TensorRT takes them."""

from __future__ import annotations

import onnx
from onnx import TensorProto, helper

from etc_edge.graph.heads import LABELS
from etc_edge.graph.load import replace_nodes
from etc_edge.graph.preprocess import FRAME
from etc_edge.graph.view import GraphView, attributes, fresh_name, tensor_names


def convert_bytes_at_borders(model: onnx.ModelProto) -> None:
    """Cast the frame before anything else reads it, and labels by way of float, in place.

    TensorRT has uint8 at a network's inputs and outputs only, and converts it from and to floats alone
    (DataType.UINT8 in its reference): frame, transpose, cast becomes frame, cast, transpose.
    """
    _cast_before_transpose(model)
    _cast_labels_from_float(model)


def _cast_before_transpose(model: onnx.ModelProto) -> None:
    view = GraphView(model)
    readers = view.consumers.get(FRAME, [])
    if len(readers) != 1 or readers[0].op_type != "Transpose":
        return
    transpose = readers[0]
    casts = view.consumers.get(transpose.output[0], [])
    if len(casts) != 1 or casts[0].op_type != "Cast":
        return
    cast, turned = casts[0], transpose.output[0]
    result = cast.output[0]
    cast.input[0], cast.output[0] = FRAME, turned
    transpose.input[0], transpose.output[0] = turned, result
    nodes = [node for node in model.graph.node if node.name not in (cast.name, transpose.name)]
    replace_nodes(model, [cast, transpose, *nodes])
    # What the swapped tensors were known as holds no longer.
    del model.graph.value_info[:]


def _cast_labels_from_float(model: onnx.ModelProto) -> None:
    view = GraphView(model)
    cast = view.producer.get(LABELS)
    if cast is None or cast.op_type != "Cast" or attributes(cast)["to"] != TensorProto.UINT8:
        return
    producer = view.producer.get(cast.input[0])
    if producer is None or producer.op_type not in ("ArgMax", "Reshape", "Squeeze"):
        return
    name = fresh_name(f"{cast.input[0]}_float", tensor_names(model))
    nodes = []
    for node in model.graph.node:
        if node.name == cast.name:
            nodes.append(helper.make_node("Cast", [cast.input[0]], [name], name=name, to=TensorProto.FLOAT))
            node.input[0] = name
        nodes.append(node)
    replace_nodes(model, nodes)
