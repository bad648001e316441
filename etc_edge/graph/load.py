"""Reading and writing ONNX models."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from etc_edge.core.errors import GraphError

OPSET = 17
"""Oldest opset that holds every operator we write; TensorRT 8.5, the oldest target, reads it."""

IR_VERSION = 8
"""The version of the file format that came with it."""


def load_model(path: Path | str) -> onnx.ModelProto:
    """Read an ONNX file, weights in external files included, and check it.

    Raises:
        GraphError: no file, not ONNX, truncated, or not a valid graph.
    """
    path = Path(path)
    if not path.is_file():
        raise GraphError(f"Found no ONNX file at {path}.")
    try:
        model = onnx.load(str(path), format="protobuf")
    except (DecodeError, OSError, ValueError, TypeError, onnx.checker.ValidationError) as error:
        raise GraphError(
            f"Found {path}, which cannot be read as ONNX ({type(error).__name__}).",
            "The file may be truncated or of another kind; copy or export it again.",
        ) from error
    check_model(model, str(path))
    return model


def check_model(model: onnx.ModelProto, where: str) -> None:
    """Hold a model to the ONNX specification.

    Raises:
        GraphError: naming the first fault that the checker found.
    """
    if not model.graph.node:
        raise GraphError(f"Found no operators in {where}, expected a network.", "The file may be truncated.")
    try:
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, ValueError) as error:
        raise GraphError(f"Found an invalid ONNX graph in {where}: {' '.join(str(error).split())[:300]}.") from error


def at_opset(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model at `OPSET` or later, converted upwards where it is older.

    Raises:
        GraphError: the converter knows no way.
    """
    version = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 1)
    if version >= OPSET:
        return model
    try:
        raised = onnx.version_converter.convert_version(model, OPSET)
    except Exception as error:  # the converter raises RuntimeError and others from C++
        raise GraphError(
            f"Found ONNX opset {version}, which cannot be converted to {OPSET}: {' '.join(str(error).split())[:200]}.",
            f"Export the network with opset {OPSET} or later.",
        ) from error
    if version < 11:
        _sample_from_corners(raised)
    return raised


def _sample_from_corners(model: onnx.ModelProto) -> None:
    """Have every `Resize` sample as `Upsample` and `Resize` did before opset 11, which the converter forgets."""
    for node in model.graph.node:
        if node.op_type == "Resize":
            for name, value in (("coordinate_transformation_mode", "asymmetric"), ("nearest_mode", "floor")):
                node.attribute.append(onnx.helper.make_attribute(name, value))


def copy_model(model: onnx.ModelProto) -> onnx.ModelProto:
    """A deep copy."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


def replace_nodes(model: onnx.ModelProto, nodes: Iterable[onnx.NodeProto]) -> None:
    """Make `nodes` the graph's nodes, in place; they may be some of its own."""
    copies = []
    for node in nodes:
        copies.append(onnx.NodeProto())
        copies[-1].CopyFrom(node)
    del model.graph.node[:]
    model.graph.node.extend(copies)


def rename_tensor(model: onnx.ModelProto, old: str, new: str) -> None:
    """Give a tensor another name wherever a graph speaks of it, in place."""
    for node in model.graph.node:
        for names in (node.input, node.output):
            for position, name in enumerate(names):
                if name == old:
                    names[position] = new
    graph = model.graph
    for info in (*graph.initializer, *graph.value_info, *graph.input, *graph.output):
        if info.name == old:
            info.name = new


def to_bytes(model: onnx.ModelProto) -> bytes:
    """The model as the bytes of one file.

    Raises:
        GraphError: it is larger than the two gigabytes that one file can hold.
    """
    try:
        return bytes(model.SerializeToString(deterministic=True))
    except ValueError as error:
        raise GraphError("Found a network of more than 2 GiB, which no edge engine accepts.") from error
