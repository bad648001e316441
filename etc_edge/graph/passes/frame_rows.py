"""A frame normalised row by row, its colours side by side as they come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from etc_edge.graph.load import replace_nodes
from etc_edge.graph.preprocess import FRAME, NORMALISE
from etc_edge.graph.view import GraphView, fresh_name, tensor_names


def normalise_rows(model: onnx.ModelProto) -> None:
    """Replace `Transpose`, `Cast` and the normalising 1×1 `Conv` of the preprocessing in place.

    Engines for processors keep channels side by side. To them the three are a turn to planes, a turn back, and a
    convolution of three channels in vectors of sixteen. Here a row of pixels is multiplied by a row of factors and
    added to a row of offsets, in vectors of full length, and turned to planes last: codes of the result can be made in
    the same pass over memory, and what is turned is no more than a name for how it lies there.

    A preprocessing that changes the order of colours is left as it is.
    """
    found = _Preprocessing.of(model)
    if found is not None:
        found.replace(model)


@dataclass(frozen=True)
class _Preprocessing:
    """The nodes in question, in their order.

    Args:
        nodes: those to be replaced; the last one's output is what the network reads.
        factors, offsets: float32 (3,).
        size_hw: of frames.
    """

    nodes: tuple[onnx.NodeProto, onnx.NodeProto, onnx.NodeProto]
    factors: npt.NDArray[np.float32]
    offsets: npt.NDArray[np.float32]
    size_hw: tuple[int, int]

    @classmethod
    def of(cls, model: onnx.ModelProto) -> _Preprocessing | None:
        view = GraphView(model)
        conv = next((node for node in model.graph.node if node.name == NORMALISE and node.op_type == "Conv"), None)
        cast = None if conv is None else view.producer.get(conv.input[0])
        turn = None if cast is None or cast.op_type != "Cast" else view.producer.get(cast.input[0])
        if conv is None or cast is None or turn is None or turn.op_type != "Transpose" or turn.input[0] != FRAME:
            return None
        if any(len(view.consumers[name]) != 1 for name in (FRAME, turn.output[0], cast.output[0])):
            return None
        weight, offsets = (view.constant(name) for name in conv.input[1:3])
        if weight is None or offsets is None or weight.shape != (3, 3, 1, 1):
            return None
        factors = weight[..., 0, 0].diagonal()
        if np.count_nonzero(weight) > np.count_nonzero(factors):
            return None
        height, width = view.static_shape(FRAME)[1:3]
        return cls((turn, cast, conv), factors, offsets, (height, width))

    def replace(self, model: onnx.ModelProto) -> None:
        taken, nodes = tensor_names(model), []
        height, width = self.size_hw

        def node(op_type: str, tensor: str, constant: npt.NDArray[Any] | None = None, **options: Any) -> str:
            name, inputs = fresh_name(f"preprocess_rows_{op_type.lower()}", taken), [tensor]
            if constant is not None:
                inputs.append(fresh_name(f"{name}_by", taken))
                model.graph.initializer.append(numpy_helper.from_array(constant, inputs[1]))
            nodes.append(helper.make_node(op_type, inputs, [name], name=name, **options))
            return name

        rows = node("Cast", node("Reshape", FRAME, np.array([0, 1, height, 3 * width])), to=TensorProto.FLOAT)
        rows = node("Add", node("Mul", rows, np.tile(self.factors, width)), np.tile(self.offsets, width))
        pixels = node("Reshape", rows, np.array([0, height, width, 3]))
        node("Transpose", pixels, perm=[0, 3, 1, 2])
        nodes[-1].output[0] = self.nodes[-1].output[0]
        rest = (one for one in model.graph.node if not any(one is other for other in self.nodes))
        replace_nodes(model, [*nodes, *rest])
