"""A bundle's graph as other programs take it: lowered for OpenVINO as ours, saved as OpenVINO's XML."""

from __future__ import annotations

import sys
from pathlib import Path

import onnx

from etc_edge.backends.device import lowering_here
from etc_edge.backends.headless import load_headless
from etc_edge.backends.openvino.vendor import shared_core
from etc_edge.core.bundle import Bundle
from etc_edge.graph.load import load_model, to_bytes
from etc_edge.graph.lower import lower
from measuring.peers import PeerError


def save_graphs(bundle: Bundle, work: Path) -> dict[str, Path]:
    """Write a bundle's graph three times; all take a uint8 frame (1, H, W, 3).

    Args:
        bundle: the network.
        work: an existing folder.

    Returns:
        `bare`: up to the logits at the network's stride, which is what our engine compiles; `labels`: to uint8 labels;
        `logits`: to float32 logits (1, classes, H, W) at full size, for those that take the largest by themselves.

    Raises:
        PeerError: it does not end in ArgMax.
    """
    whole = load_model(bundle.model_path)
    graphs = {"bare": load_headless(bundle, work), "labels": whole, "logits": _without_largest(whole, bundle)}
    paths = {}
    for name, graph in graphs.items():
        paths[name] = work / f"{name}.xml"
        core, model = shared_core(), to_bytes(lower(graph, lowering_here("openvino")))
        sys.modules["openvino"].save_model(core.read_model(model, b""), str(paths[name]), compress_to_fp16=False)
    return paths


def _without_largest(whole: onnx.ModelProto, bundle: Bundle) -> onnx.ModelProto:
    model = onnx.ModelProto()
    model.CopyFrom(whole)
    place = next((place for place, node in enumerate(model.graph.node) if node.op_type == "ArgMax"), None)
    if place is None:
        raise PeerError(f"{bundle.name} does not end in ArgMax.")
    logits = model.graph.node[place].input[0]
    del model.graph.node[place:], model.graph.output[:]
    shape = [1, len(bundle.labels), *bundle.preprocessing.size_hw]
    model.graph.output.append(onnx.helper.make_tensor_value_info(logits, onnx.TensorProto.FLOAT, shape))
    return model
