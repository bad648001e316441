"""From ONNX to TensorRT's own network, with errors that name the node."""

from __future__ import annotations

from collections.abc import Sequence

import tensorrt as trt

from etc_edge.backends.tensorrt.calls import failed_node, network_flags
from etc_edge.backends.tensorrt.logger import Log
from etc_edge.backends.tensorrt.source import Source
from etc_edge.core.errors import CompileError

_SHOWN = 3


def parse(builder: trt.Builder, source: Source, log: Log) -> trt.INetworkDefinition:
    """The network of a graph.

    Raises:
        CompileError: the parser refuses it; names the nodes.
    """
    network = builder.create_network(network_flags())
    parser = trt.OnnxParser(network, log)
    if parser.parse(source.model):
        return network
    errors = [_words(parser.get_error(index), source.nodes) for index in range(parser.num_errors)]
    said = "; ".join(dict.fromkeys(errors[:_SHOWN])) or log.last_error()
    more = f" ({len(errors) - _SHOWN} more)" if len(errors) > _SHOWN else ""
    raise CompileError(
        f"TensorRT {trt.__version__} refused the graph: {said}{more}.",
        "Try another --target, or export the network without that operator.",
    )


def _words(error: trt.ParserError, nodes: Sequence[tuple[str, str]]) -> str:
    index, name = failed_node(error)
    reason = " ".join(str(error.desc()).split())[:300] or f"error {error.code()}"
    known, operator = nodes[index] if 0 <= index < len(nodes) else ("", "")
    place = f"node {name or known!r}" + (f" ({operator})" if operator else "")
    return f"{place}: {reason}" if name or known else reason
