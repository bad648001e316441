"""A bundle's graph as TensorRT's parser is given it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from etc_edge.core.bundle import Bundle

if TYPE_CHECKING:
    from etc_edge.graph.tensorrt import TensorRtGraph, TensorRtPrecision


@dataclass(frozen=True)
class Source:
    """A graph for the parser.

    Args:
        model: serialised ONNX, uint8 frame in, uint8 labels out.
        nodes: name and operator of each of its nodes, in order: older parsers tell a node by its place alone.
        precision: what was asked for.
        typed: whether every type is written into the graph.
        float32_nodes: operators that are kept in FP32, with the reason.
        input_shape: of the frame; −1 where it is open.
        size_hw: height and width of the bundle's frames.
    """

    model: bytes
    nodes: tuple[tuple[str, str], ...]
    precision: str
    typed: bool
    float32_nodes: dict[str, str] = field(default_factory=dict)
    input_shape: tuple[int, ...] = ()
    size_hw: tuple[int, int] = (0, 0)

    @property
    def dynamic(self) -> bool:
        """Whether the size of frames is open."""
        return -1 in self.input_shape


def lowered_source(bundle: Bundle, precision: TensorRtPrecision, typed: bool) -> Source:
    """A bundle's graph in one precision, with types where this TensorRT takes them from the graph.

    Raises:
        GraphError: the graph cannot be read, or has not what the precision needs.
    """
    from etc_edge.graph.load import load_model
    from etc_edge.graph.tensorrt import lower_for_tensorrt

    return source_of(lower_for_tensorrt(load_model(bundle.model_path), precision, typed=typed), bundle)


def source_of(graph: TensorRtGraph, bundle: Bundle) -> Source:
    """A lowered graph of a bundle."""
    from etc_edge.graph.load import to_bytes

    dims = graph.model.graph.input[0].type.tensor_type.shape.dim
    return Source(
        model=to_bytes(graph.model),
        nodes=tuple((node.name, node.op_type) for node in graph.model.graph.node),
        precision=graph.precision,
        typed=graph.typed,
        float32_nodes=dict(graph.float32_nodes),
        input_shape=tuple(dim.dim_value if dim.HasField("dim_value") else -1 for dim in dims),
        size_hw=bundle.preprocessing.size_hw,
    )
