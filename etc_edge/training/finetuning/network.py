"""A bundle's graph in the place of a network: frames in, logits and features out."""

from __future__ import annotations

from collections.abc import Iterable

import onnx
import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from etc_edge.core.errors import GraphError
from etc_edge.graph.qdq import WEIGHTED
from etc_edge.graph.view import GraphView, attributes
from etc_edge.torch_graph.graph import TorchGraph


class GraphNetwork(nn.Module):
    """See SegmentationNetwork, but for its input: uint8 frames (N, H, W, 3), since the graph normalises them itself.

    Args:
        model: a deployed graph, in float or quantized.
        logits: the tensor that its labels are the argmax of.
        features: the tensor that says what each place is about, as `features_before` finds it; None for none.

    Raises:
        GraphError: the graph has operators that torch cannot run here; all of them are named.
    """

    def __init__(self, model: onnx.ModelProto, logits: str, features: str | None = None) -> None:
        super().__init__()
        outputs = {"logits": logits} if features is None else {"logits": logits, "features": features}
        self.graph = TorchGraph(model, **outputs)
        (_, _, rows, _), (_, height, _, _) = _size(model, logits), _size(model, self.graph.input)
        self.logits_stride = -(-height // rows)
        self._embedding = nn.Identity()

    def forward(self, frames: Tensor) -> Tensor | tuple[Tensor, None]:
        """Logits (N, classes, h, w); in training with None for the auxiliary logits, which a graph has not."""
        found = self.graph(frames)
        if "features" in found:
            self._embedding(found["features"])
        return (found["logits"], None) if self.training else found["logits"]

    def head_parameters(self) -> Iterable[nn.Parameter]:
        """See SegmentationNetwork: nothing is new here."""
        return ()

    def embedding(self) -> nn.Module:
        """See SegmentationNetwork."""
        return self._embedding


def features_before(model: onnx.ModelProto, logits: str) -> str | None:
    """What the last convolution or matrix product before the logits reads, as the network computed it; None where
    that is no float (1, D, h, w).

    In a quantized graph it is the result of the Q/DQ pair, in the float graph that it came from the same values
    before rounding.
    """
    view, current = GraphView(model), logits
    while (node := view.producer.get(current)) is not None:
        if node.op_type in WEIGHTED:
            found = node.input[0]
            shape = view.shape(found)
            is_map = shape is not None and len(shape) == 4 and shape[0] == 1
            return found if is_map and found in view.producer and view.is_float(found) else None
        current = node.input[0]
    return None


def adam(network: nn.Module, lr: float, scale_lr: float, terms: nn.Module) -> Optimizer:
    """Adam with one rate for weights and biases and another for the logarithms of scales; terms of the loss that
    learn do so at the latter.

    Raises:
        GraphError: the graph is not quantized.
    """
    assert isinstance(network, GraphNetwork)
    if not network.graph.quantized:
        raise GraphError("Found a graph without Q/DQ pairs, expected a quantized one.", "Quantize it first.")
    kinds = network.graph.parameters_by_kind()
    values, scales = (
        [parameter for kind in kinds_of for parameter in kinds[kind]]
        for kinds_of in (("weights", "biases"), ("activation_scales", "weight_scales"))
    )
    groups = [{"params": values, "peak": lr}, {"params": [*scales, *terms.parameters()], "peak": scale_lr}]
    return Adam([group for group in groups if group["params"]], lr=lr)


def trained_logits(model: onnx.ModelProto, logits: str) -> str:
    """The tensor that losses see: the logits, which they enlarge with aligned corners as our own heads do; of a head
    that enlarges otherwise, what it makes of them.
    """
    view = GraphView(model)
    for node in view.consumers.get(logits, []):
        if node.op_type == "Resize" and attributes(node).get("coordinate_transformation_mode") != b"align_corners":
            return str(node.output[0])
    return logits


class AsFrames:
    """How samples become the input of a GraphNetwork: as they are, on its device.

    Args:
        device: of the graph.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def __call__(self, frames: Tensor) -> Tensor:
        """uint8 (N, H, W, 3)."""
        return frames.to(self._device)


def _size(model: onnx.ModelProto, tensor: str) -> tuple[int, ...]:
    shape = GraphView(model).static_shape(tensor)
    if len(shape) != 4:
        raise GraphError(f"Found the tensor {tensor!r} of shape {shape}, expected four axes.")
    return shape
