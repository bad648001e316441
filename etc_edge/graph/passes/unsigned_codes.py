"""int8 activations as uint8: the same numbers with every code and zero point 128 higher."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from etc_edge.graph.bounds import activation_bounds
from etc_edge.graph.load import replace_nodes
from etc_edge.graph.qdq import WEIGHTED, Pair, pairs
from etc_edge.graph.view import GraphView, fresh_name, tensor_names


def shift_to_unsigned(model: onnx.ModelProto) -> None:
    """Turn int8 activations and constant operands with zero point z into uint8 with zero point z + 128, in place.

    x86 processors multiply unsigned by signed bytes; a signed activation would leave its convolution in float in
    ONNX Runtime. A rectifier before such a pair is done on the codes (`Clip` between codes; rounding is monotone,
    so the result is the same), which lets the convolution before it end in the pair.
    """
    shifter = _Shifter(model)
    shifter.shift_constants()
    shifter.shift_activations()


class _Shifter:
    def __init__(self, model: onnx.ModelProto) -> None:
        self.model, self.view, self.taken = model, GraphView(model), tensor_names(model)

    def shift_constants(self) -> None:
        for node in self.model.graph.node:
            codes = self.view.constant(node.input[0]) if node.op_type == "DequantizeLinear" else None
            if codes is None or codes.dtype != np.int8 or self._is_weight(node.output[0]):
                continue
            zero_point = self.view.constant(node.input[2])
            assert zero_point is not None
            node.input[0] = self._initializer(f"{node.input[0]}_unsigned", codes.astype(np.int16) + 128)
            node.input[2] = self._initializer(f"{node.input[2]}_unsigned", zero_point.astype(np.int16) + 128)

    def shift_activations(self) -> None:
        signed = {pair.quantize.name: pair for pair in pairs(self.view) if not pair.grid.unsigned}
        nodes: list[onnx.NodeProto] = []
        dropped: set[str] = set()
        for node in self.model.graph.node:
            nodes.append(node)
            pair = signed.get(node.name)
            if pair is None:
                continue
            zero_point = self._initializer(f"{pair.tensor}_zero_point_unsigned", np.array(pair.grid.zero_point + 128))
            node.input[2] = pair.dequantize.input[2] = zero_point
            producer = self.view.producer.get(pair.tensor)
            if producer is not None and len(self.view.consumers[pair.tensor]) == 1:
                limits = self._limits_of_codes(producer, pair)
                if limits is not None:
                    clipped = fresh_name(f"{pair.tensor}_rectified", self.taken)
                    node.input[0] = producer.input[0]
                    nodes.append(helper.make_node("Clip", [node.output[0], *limits], [clipped], name=clipped))
                    pair.dequantize.input[0] = clipped
                    dropped.add(producer.name)
        replace_nodes(self.model, [node for node in nodes if node.name not in dropped])

    def _limits_of_codes(self, producer: onnx.NodeProto, pair: Pair) -> list[str] | None:
        bounds = activation_bounds(self.view, producer)
        if bounds is None:
            return None
        grid = pair.grid
        codes = [int(np.clip(np.round(bound / grid.scale) + grid.zero_point, -128, 127)) + 128 for bound in bounds]
        return [
            self._initializer(f"{pair.tensor}_{end}_code", np.array(code))
            for end, code in zip(("low", "high"), codes, strict=True)
        ]

    def _is_weight(self, name: str) -> bool:
        readers = self.view.consumers.get(name, [])
        return any(list(reader.input).index(name) == WEIGHTED.get(reader.op_type) for reader in readers)

    def _initializer(self, stem: str, value: np.ndarray) -> str:
        name = fresh_name(stem, self.taken)
        self.model.graph.initializer.append(numpy_helper.from_array(value.astype(np.uint8), name))
        return name
