"""A deployed graph that looks at every frame twice, as it is and mirrored left to right, and averages what it sees.

A graph, and not a wrapper around the runtime: a wrapper would get labels, which cannot be averaged, and would need
engines to give out logits. As a graph the two views compile, run and are measured on every engine like any bundle.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import onnx
from onnx import helper, numpy_helper

from etc_edge.core.errors import GraphError
from etc_edge.graph.heads import LABELS
from etc_edge.graph.load import copy_model, replace_nodes
from etc_edge.graph.view import GraphView, fresh_name, tensor_names

Average = Literal["logits", "probabilities"]
"""What is averaged: the logits, or the class probabilities at the labels' size, as the ETC authors' code does."""


def two_views(model: onnx.ModelProto, logits: str, average: Average = "logits") -> tuple[onnx.ModelProto, str]:
    """A copy of a deployed graph whose labels are those of a frame and its mirror image together.

    All that depends on the frame stands there twice and shares its weights; the mirrored frame's logits are mirrored
    back. A bilinear resize commutes with mirroring, so this happens before logits are enlarged.

    Args:
        model: `frame`, uint8 (1, H, W, 3), in and `labels`, uint8 (1, H, W), out; float or with Q/DQ pairs.
        logits: the tensor that the labels are the argmax of, (1, classes, h, w).
        average: what of the two views is averaged.

    Returns:
        The new graph, and the name of the averaged tensor, which the labels are the argmax of.

    Raises:
        GraphError: there is no such tensor, or (for probabilities) no argmax at the end of the graph.
    """
    copy = copy_model(model)
    averaged = _TwoViews(copy, logits).write(average)
    copy.graph.ClearField("value_info")
    return onnx.shape_inference.infer_shapes(copy, data_prop=True), averaged


class _TwoViews:
    def __init__(self, model: onnx.ModelProto, logits: str) -> None:
        self.model, self.view, self.logits = model, GraphView(model), logits
        if logits not in self.view.producer:
            raise GraphError(f"Found no tensor {logits!r}, which the manifest names as the logits.")
        self.taken = tensor_names(model)
        self.node_names = {node.name for node in model.graph.node}
        self.nodes: list[onnx.NodeProto] = []

    def write(self, average: Average) -> str:
        """Replace the model's nodes; returns the name of the averaged tensor."""
        end = self.logits if average == "logits" else self._scores()
        first_view = self._needed_for(end)
        second_view = self._second_view(first_view, end)
        views = [end, second_view]
        if average == "probabilities":
            views = [self._node("Softmax", [name], "head_probabilities", axis=1) for name in views]
        total = self._node("Add", views, "head_two_views")
        half = self._constant("head_half", np.array(0.5, np.float32))
        mean = self._node("Mul", [total, half], f"head_mean_{average}")
        others = [node for node in self.model.graph.node if node.name not in first_view]
        for node in others:
            node.input[:] = [mean if name == end else name for name in node.input]
        kept = [node for node in self.model.graph.node if node.name in first_view]
        replace_nodes(self.model, [*kept, *self.nodes, *others])
        return mean

    def _second_view(self, first_view: set[str], end: str) -> str:
        """Write the mirrored frame's way to `end`, and give the name of what stands there."""
        frame = self.view.inputs()[0].name
        seen_as = {frame: self._mirrored(frame, 2, "preprocess_mirror")}
        for node in self.model.graph.node:
            # What does not depend on the frame, such as dequantized weights, serves both views.
            if node.name in first_view and any(name in seen_as for name in node.input):
                again = onnx.NodeProto()
                again.CopyFrom(node)
                again.name = fresh_name(f"{node.name}_mirrored", self.node_names)
                again.input[:] = [seen_as.get(name, name) for name in node.input]
                seen_as |= {name: fresh_name(f"{name}_mirrored", self.taken) for name in node.output if name}
                again.output[:] = [seen_as[name] if name else "" for name in node.output]
                self.nodes.append(again)
                if self.logits in node.output:
                    seen_as[self.logits] = self._mirrored(seen_as[self.logits], 3, "head_mirror", self.logits)
        return seen_as[end]

    def _mirrored(self, tensor: str, axis: int, stem: str, alike: str | None = None) -> str:
        """Reverse a tensor, which has the shape of `alike`, along an axis."""
        size = self.view.static_shape(alike or tensor)[axis]
        order = self._constant(f"{stem}_order", np.arange(size, dtype=np.int64)[::-1])
        return self._node("Gather", [tensor, order], stem, axis=axis)

    def _scores(self) -> str:
        """What the argmax at the end of the graph reads: the logits at the labels' size."""
        cast = self.view.producer[LABELS]
        argmax = self.view.producer.get(cast.input[0])
        if argmax is None or argmax.op_type != "ArgMax":
            raise GraphError("Found a graph that does not end in an argmax, expected a bundle that etc-edge exported.")
        return str(argmax.input[0])

    def _needed_for(self, tensor: str) -> set[str]:
        """Names of the nodes that a tensor is worked out by."""
        needed: set[str] = set()
        wanted = [tensor]
        while wanted:
            node = self.view.producer.get(wanted.pop())
            if node is not None and node.name not in needed:
                needed.add(node.name)
                wanted.extend(node.input)
        return needed

    def _constant(self, stem: str, value: np.ndarray) -> str:
        name = fresh_name(stem, self.taken)
        self.model.graph.initializer.append(numpy_helper.from_array(np.array(value, order="C"), name))
        return name

    def _node(self, op_type: str, inputs: list[str], stem: str, **options: Any) -> str:
        output = fresh_name(stem, self.taken)
        name = fresh_name(stem, self.node_names)
        self.nodes.append(helper.make_node(op_type, inputs, [output], name=name, **options))
        return output
