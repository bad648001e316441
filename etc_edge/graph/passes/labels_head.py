"""The labels head in operators that OpenVINO runs fast: its own argmax sorts, its resize leaves channels last."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from etc_edge.graph.heads import LABELS
from etc_edge.graph.load import replace_nodes
from etc_edge.graph.view import GraphView, attributes, fresh_name, tensor_names


def compare_classes(model: onnx.ModelProto) -> None:
    """Replace the head's `Resize`, `ArgMax` and `Cast` in place; ties still go to the first class.

    A graph whose head was taken off is left as it is.

    The argmax becomes a chain of comparisons over one plane a class, which runs as one pass over memory. A bilinear
    resize becomes two constant matrix products, whose result has its channels first in memory; logits that need no
    resize come with their channels last, so a reshape makes the engine reorder them before they are split.
    """
    head = _Head(model)
    if head.argmax is not None:
        head.replace()


class _Head:
    def __init__(self, model: onnx.ModelProto) -> None:
        self.model, self.view, self.taken = model, GraphView(model), tensor_names(model)
        self.cast = self.view.producer.get(LABELS)
        argmax = None if self.cast is None else self.view.producer.get(self.cast.input[0])
        self.argmax = argmax if argmax is not None and argmax.op_type == "ArgMax" else None
        self.nodes: list[onnx.NodeProto] = []

    def replace(self) -> None:
        assert self.argmax is not None
        assert self.cast is not None
        logits, old = self.argmax.input[0], [self.argmax, self.cast]
        classes = self.view.static_shape(logits)[1]
        resize = self.view.producer.get(logits)
        if resize is not None and self._is_ours(resize):
            old.append(resize)
            logits = self._enlarge(resize)
        size = self._constant("label_size", np.array([1, *self.view.static_shape(self.argmax.input[0])[2:]]))
        flat = self._node("Reshape", [logits, self._constant("plane_shape", np.array([1, classes, -1]))], "flat")
        byte = self._node("Cast", [self._chain(flat, classes)], "bytes", to=TensorProto.UINT8)
        self.nodes.append(helper.make_node("Reshape", [byte, size], [LABELS], name="head_labels"))
        kept = [node for node in self.model.graph.node if not any(node is other for other in old)]
        replace_nodes(self.model, [*kept, *self.nodes])

    def _is_ours(self, resize: onnx.NodeProto) -> bool:
        """Whether a node is a bilinear resize that only the argmax reads."""
        readers = self.view.consumers.get(resize.output[0], [])
        return resize.op_type == "Resize" and len(readers) == 1 and _interpolation(resize) is not None

    def _enlarge(self, resize: onnx.NodeProto) -> str:
        """rows (H, h) · logits (1, C, h, w) · columns (w, W)."""
        (height, width), (out_height, out_width) = (
            self.view.static_shape(name)[2:] for name in (resize.input[0], resize.output[0])
        )
        positions = _interpolation(resize)
        assert positions is not None
        columns = self._constant("columns", interpolation_matrix(width, out_width, positions).T)
        rows = self._constant("rows", interpolation_matrix(height, out_height, positions))
        wide = self._node("MatMul", [resize.input[0], columns], "wide")
        return self._node("MatMul", [rows, wide], "full")

    def _chain(self, logits: str, classes: int) -> str:
        planes = [fresh_name(f"head_class_{index}", self.taken) for index in range(classes)]
        sizes = self._constant("plane_sizes", np.ones(classes, np.int64))
        self.nodes.append(helper.make_node("Split", [logits, sizes], planes, name="head_split", axis=1))
        best, label = planes[0], self._plane_constant(0)
        for index, plane in enumerate(planes[1:], start=1):
            greater = self._node("Greater", [plane, best], f"greater_{index}")
            label = self._node("Where", [greater, self._plane_constant(index), label], f"chosen_{index}")
            best = self._node("Max", [best, plane], f"best_{index}") if index < classes - 1 else best
        return label

    def _plane_constant(self, value: int) -> str:
        return self._constant(f"label_{value}", np.full((1, 1, 1), value, np.float32))

    def _constant(self, stem: str, value: npt.NDArray[Any]) -> str:
        name = fresh_name(f"head_{stem}", self.taken)
        self.model.graph.initializer.append(numpy_helper.from_array(np.array(value, order="C"), name))
        return name

    def _node(self, op_type: str, inputs: list[str], stem: str, **options: Any) -> str:
        name = fresh_name(f"head_{stem}", self.taken)
        self.nodes.append(helper.make_node(op_type, inputs, [name], name=name, **options))
        return name


Positions = Callable[[int, int], npt.NDArray[np.float64]]


def _align_corners(size: int, out_size: int) -> npt.NDArray[np.float64]:
    return np.arange(out_size, dtype=np.float64) * ((size - 1) / max(out_size - 1, 1))


def _half_pixel(size: int, out_size: int) -> npt.NDArray[np.float64]:
    centers: npt.NDArray[np.float64] = (np.arange(out_size, dtype=np.float64) + 0.5) * (size / out_size) - 0.5
    return np.clip(centers, 0, size - 1)


def _interpolation(resize: onnx.NodeProto) -> Positions | None:
    """Where the samples of a bilinear resize lie, or None for another kind."""
    options = attributes(resize)
    if options.get("mode", b"nearest") != b"linear":
        return None
    known = {b"align_corners": _align_corners, b"half_pixel": _half_pixel}
    return known.get(options.get("coordinate_transformation_mode", b"half_pixel"))


def interpolation_matrix(size: int, out_size: int, positions: Positions) -> npt.NDArray[np.float32]:
    """The matrix (out_size, size) of linear interpolation along one axis, as ONNX Resize defines its weights."""
    at = positions(size, out_size)
    first = np.minimum(at.astype(np.int64), max(size - 2, 0))
    matrix = np.zeros((out_size, size), np.float64)
    rows = np.arange(out_size)
    matrix[rows, first] += 1 - (at - first)
    if size > 1:
        matrix[rows, first + 1] += at - first
    return matrix.astype(np.float32)
