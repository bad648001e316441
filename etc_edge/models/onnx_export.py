"""From a network in torch to an ONNX model of one input size."""

from __future__ import annotations

import warnings
from io import BytesIO

import onnx
import torch
from torch import nn

from etc_edge.models.exportable import exportable

OPSET = 17


def to_onnx(network: nn.Module, size_hw: tuple[int, int]) -> onnx.ModelProto:
    """Export a network in evaluation mode: float `image` (1, 3, H, W) to `logits` at the network's stride."""
    fixed = exportable(network, size_hw)
    buffer = BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        # The exporter by tracing names nodes after the modules that they come from, which people read in ranges.json;
        # it warns that it is no longer the default.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            fixed,
            (torch.zeros(1, 3, *size_hw),),
            buffer,  # type: ignore[arg-type]
            input_names=["image"],
            output_names=["logits"],
            opset_version=OPSET,
            dynamo=False,
        )
    return onnx.load_from_string(buffer.getvalue())
