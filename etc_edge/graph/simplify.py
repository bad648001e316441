"""From whatever an exporter wrote to a small static graph that quantization understands."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import onnx
import onnxsim
from onnx import numpy_helper

from etc_edge.core.errors import GraphError
from etc_edge.graph.folding import batch_norm_to_convolution, fold_affine_into_convolutions
from etc_edge.graph.load import IR_VERSION, at_opset, check_model, replace_nodes
from etc_edge.graph.view import GraphView, fresh_name

ADDED_NODES = ("preprocess_", "head_")
"""What the names of nodes begin with that turn a network into a deployed graph."""


def simplify(model: onnx.ModelProto, input_size_hw: tuple[int, int] | None = None) -> onnx.ModelProto:
    """Fix the input to one frame, fold constants and batch normalisation, and drop what is left over.

    Args:
        model: a network with one float NCHW input.
        input_size_hw: the size to fix; None keeps a size that the graph already has.

    Raises:
        GraphError: the network has not one NCHW input, or its size stays unknown.
    """
    model = at_opset(model)
    name, shape = network_input(model, input_size_hw)
    try:
        with _quiet():
            simplified, same = onnxsim.simplify(model, overwrite_input_shapes={name: list(shape)})
    except Exception as error:  # onnxsim passes on errors of ONNX Runtime and of its own C++
        raise GraphError(f"The graph could not be simplified: {' '.join(str(error).split())[:300]}.") from error
    if not same:
        raise GraphError("The simplified graph does not give what the original gives.")
    fix_input_shape(simplified, name, shape)
    fold_affine_into_convolutions(simplified)
    batch_norm_to_convolution(simplified)
    drop_unused(simplified)
    name_nodes(simplified)
    simplified.ir_version = max(simplified.ir_version, IR_VERSION)
    del simplified.graph.value_info[:]
    simplified = onnx.shape_inference.infer_shapes(simplified, data_prop=True)
    check_model(simplified, "the simplified graph")
    return simplified


@contextmanager
def _quiet() -> Iterator[None]:
    """Hold back what C++ code writes to standard output and error about nodes that it leaves as they are."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 1)
            os.dup2(nowhere.fileno(), 2)
            yield
    finally:
        for descriptor, original in zip((1, 2), kept, strict=True):
            os.dup2(original, descriptor)
            os.close(original)


def network_input(model: onnx.ModelProto, size_hw: tuple[int, int] | None) -> tuple[str, tuple[int, int, int, int]]:
    """Name and shape of a network's one float NCHW input; `size_hw` says what the graph leaves open.

    Raises:
        GraphError: there is another number of inputs, or one of another kind, or its size stays unknown.
    """
    inputs = GraphView(model).inputs()
    if len(inputs) != 1:
        found = ", ".join(info.name for info in inputs) or "none"
        raise GraphError(f"Found {len(inputs)} inputs ({found}), expected one image input.")
    info = inputs[0]
    dims = info.type.tensor_type.shape.dim
    if info.type.tensor_type.elem_type != onnx.TensorProto.FLOAT or len(dims) != 4:
        kind = onnx.TensorProto.DataType.Name(info.type.tensor_type.elem_type)
        raise GraphError(f"Found input {info.name!r} of type {kind} and rank {len(dims)}, expected float NCHW.")
    sizes = [dim.dim_value if dim.HasField("dim_value") else 0 for dim in dims]
    if sizes[1] not in (0, 3):
        raise GraphError(f"Found input {info.name!r} with {sizes[1]} channels, expected 3 (NCHW).")
    height, width = size_hw or (sizes[2], sizes[3])
    if height <= 0 or width <= 0:
        raise GraphError(f"Found input {info.name!r} of unknown size.", "Give it with --size HxW.")
    if size_hw is not None and any(
        fixed > 0 and fixed != asked for fixed, asked in zip(sizes[2:], size_hw, strict=True)
    ):
        raise GraphError(
            f"Found input {info.name!r} fixed at {sizes[2]}x{sizes[3]}, asked for {height}x{width}.",
            "Leave --size out, or export the network with a dynamic or the wanted size.",
        )
    return info.name, (1, 3, height, width)


def fix_input_shape(model: onnx.ModelProto, name: str, shape: tuple[int, ...]) -> None:
    """Write a static shape into a graph input, in place."""
    for info in model.graph.input:
        if info.name == name:
            del info.type.tensor_type.shape.dim[:]
            for size in shape:
                info.type.tensor_type.shape.dim.add().dim_value = size


def name_nodes(model: onnx.ModelProto) -> None:
    """Give every node a name of its own, in place: placements, plans and passes speak of nodes by name."""
    taken: set[str] = set()
    for node in model.graph.node:
        # Names that begin like those of the nodes that deployment adds are theirs.
        stem = f"network_{node.name}" if node.name.startswith(ADDED_NODES) else node.name
        node.name = fresh_name(stem or f"{node.op_type}_{node.output[0]}", taken)


def drop_unused(model: onnx.ModelProto) -> None:
    """Remove nodes and initializers that no output needs, in place; constants become initializers."""
    view = GraphView(model)
    for node in [node for node in model.graph.node if node.op_type == "Constant"]:
        value = view.constant(node.output[0])
        if value is not None:
            model.graph.initializer.append(numpy_helper.from_array(value, node.output[0]))
            model.graph.node.remove(node)
    needed = {info.name for info in model.graph.output}
    kept = []
    for node in reversed(model.graph.node):
        if needed.intersection(node.output):
            kept.append(node)
            needed.update(node.input)
    replace_nodes(model, kept[::-1])
    names = {tensor.name for tensor in model.graph.initializer}
    initializers = [tensor for tensor in model.graph.initializer if tensor.name in needed]
    del model.graph.initializer[:]
    model.graph.initializer.extend(initializers)
    for info in [info for info in model.graph.input if info.name in names]:
        model.graph.input.remove(info)
