"""What a bundle holds: its manifest, its operators and parameters by stage, and what runs in INT8."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import onnx

from etc_edge.core.bundle import Bundle
from etc_edge.graph.int8_chains import ChainReport, int8_chains
from etc_edge.graph.load import load_model
from etc_edge.graph.operations import CONVERSIONS, StageCost, cost_by_stage, node_macs
from etc_edge.graph.qdq import pairs
from etc_edge.graph.tensorrt import lower_for_tensorrt
from etc_edge.graph.view import GraphView


@dataclass(frozen=True)
class InspectReport:
    """A bundle looked into.

    Args:
        bundle: the bundle.
        stages: cost by resolution, finest first.
        operators: how often each operator occurs, Q/DQ pairs left out.
        pairs: number of quantized activations.
        int8_macs: multiply-adds with quantized operands, as a fraction of all; None for a float bundle.
        tensorrt: what TensorRT keeps in INT8 of it; None for a float bundle.
        names: every operator that multiplies and adds: its name, kind and multiply-adds, in the order of the graph.
    """

    bundle: Bundle
    stages: list[StageCost]
    operators: dict[str, int]
    pairs: int
    int8_macs: float | None
    tensorrt: ChainReport | None
    names: list[tuple[str, str, int]]


def inspect(path: Path) -> InspectReport:
    """Look into a bundle.

    Raises:
        EtcEdgeError: the bundle is incomplete, changed or holds no valid graph.
    """
    bundle = Bundle.open(path)
    bundle.verify()
    model = load_model(bundle.model_path)
    view = GraphView(model)
    macs = [(node, node_macs(view, node)) for node in model.graph.node]
    counts = Counter(node.op_type for node in model.graph.node if node.op_type not in CONVERSIONS)
    total = sum(count for _, count in macs)
    int8 = sum(count for node, count in macs if _is_int8(view, node))
    return InspectReport(
        bundle=bundle,
        stages=cost_by_stage(model, bundle.preprocessing.size_hw[0]),
        operators=dict(counts.most_common()),
        pairs=len(pairs(view)),
        int8_macs=int8 / max(total, 1) if bundle.precision == "int8" else None,
        tensorrt=int8_chains(lower_for_tensorrt(model, "int8").model) if bundle.precision == "int8" else None,
        names=[(node.name, node.op_type, count) for node, count in macs if count],
    )


def _is_int8(view: GraphView, node: onnx.NodeProto) -> bool:
    """Whether an operator's first two operands come out of DequantizeLinear."""
    makers = [view.producer.get(name) for name in node.input[:2]]
    return all(maker is not None and maker.op_type == "DequantizeLinear" for maker in makers)
