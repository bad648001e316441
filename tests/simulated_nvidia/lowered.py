"""The graph that the simulated parser was given: its nodes, their types, and a form that ONNX Runtime computes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# Operators of our networks that TensorRT's parser takes; anything else is refused as it refuses it.
_KNOWN = """
Add ArgMax AveragePool BatchNormalization Cast Clip Concat Constant Conv ConvTranspose DequantizeLinear Div
Equal Exp Expand Flatten Gather Gemm GlobalAveragePool HardSigmoid HardSwish Identity LeakyRelu MatMul Max
MaxPool Min Mul Neg Pad Pow PRelu QuantizeLinear Reciprocal ReduceMean Relu Reshape Resize Shape Sigmoid Slice
Softmax Split Sqrt Squeeze Sub Tanh Transpose Unsqueeze Where
"""
KNOWN = frozenset(_KNOWN.split())
WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")

# How the engine inspector words types; taken from its format strings.
FORMATS = {
    "int8": "Row major Int8 format",
    "fp8": "Row major FP8 format",
    "fp16": "Row major linear FP16 format",
    "fp32": "Row major linear FP32",
    "uint8": "Row major UINT8 format",
    "int32": "Row major linear Int32 format",
}


@dataclass
class LoweredNode:
    """One node: its name and operator, how many outputs it has, the type of what it reads, and what it is held to."""

    name: str
    operator: str
    outputs: int
    reads: str
    held: str = ""


@dataclass
class Lowered:
    """A parsed graph."""

    model: Any
    nodes: list[LoweredNode]
    frame: str
    frame_shape: tuple[int, ...]
    labels: str
    labels_shape: tuple[int, ...]
    quantized: bool = field(default=False)

    @classmethod
    def read(cls, data: bytes) -> tuple[Lowered | None, tuple[int, str, str, str] | None]:
        """A graph, or the node that the parser stumbles on: its index, name, operator and the reason."""
        import onnx

        from etc_edge.graph.view import GraphView

        model = onnx.load_from_string(data)
        for index, node in enumerate(model.graph.node):
            if node.op_type not in KNOWN:
                reason = f"No importer registered for op: {node.op_type}. Checked in plugin registry."
                return None, (index, node.name, node.op_type, reason)
        model = onnx.shape_inference.infer_shapes(model, data_prop=True)
        view = GraphView(model)
        types = {info.name: info.type.tensor_type.elem_type for info in (*model.graph.value_info, *model.graph.input)}
        types |= {tensor.name: tensor.data_type for tensor in model.graph.initializer}
        nodes = [
            LoweredNode(node.name, node.op_type, len(node.output), _reads(node, view, types))
            for node in model.graph.node
            if node.op_type not in ("DequantizeLinear", "Constant")
        ]
        (frame,), (labels,) = model.graph.input, model.graph.output
        quantized = any(node.op_type == "QuantizeLinear" for node in model.graph.node)
        return cls(model, nodes, frame.name, _shape(frame), labels.name, _shape(labels), quantized), None

    def layers(self, allowed: str, fault: str, on_dla: bool) -> list[dict[str, Any]]:
        """What the engine inspector says of each layer, in detail."""
        found = []
        for node in self.nodes:
            reads = node.reads
            if fault == "precision" and reads in ("int8", "fp8", "fp16"):
                reads = "fp32"
            if reads == "fp32" and allowed == "FP16" and node.held != "fp32":
                reads = "fp16"
            weighted = node.operator in WEIGHTED
            kind = "DLA" if on_dla else "CaskConvolution" if weighted else node.operator
            tensor = {"Name": f"{node.name} in", "Location": "Device", "Format/Datatype": FORMATS.get(reads, reads)}
            layer: dict[str, Any] = {"Name": node.name, "LayerType": kind, "Inputs": [tensor], "Outputs": []}
            if weighted and not on_dla:
                layer["ParameterType"] = "Convolution"
            found.append(layer)
        return found

    def runnable(self) -> bytes:
        """The same numbers in operators that ONNX Runtime has on a processor."""
        from etc_edge.graph.load import to_bytes
        from etc_edge.graph.tensorrt_numerics import in_float32

        return to_bytes(in_float32(self.model))


def _reads(node: Any, view: Any, types: dict[str, int]) -> str:
    """Type of the first tensor that a node reads; what Q/DQ pairs hold counts as their codes' type."""
    import onnx

    names = {
        onnx.TensorProto.FLOAT: "fp32",
        onnx.TensorProto.FLOAT16: "fp16",
        onnx.TensorProto.INT8: "int8",
        onnx.TensorProto.UINT8: "uint8",
        onnx.TensorProto.FLOAT8E4M3FN: "fp8",
    }
    if not node.input:
        return ""
    name = node.input[0]
    maker = view.producer.get(name)
    if maker is not None and maker.op_type == "DequantizeLinear":
        name = maker.input[0]
    return names.get(types.get(name, 0), "int32")


def _shape(info: Any) -> tuple[int, ...]:
    return tuple(dim.dim_value if dim.HasField("dim_value") else -1 for dim in info.type.tensor_type.shape.dim)
