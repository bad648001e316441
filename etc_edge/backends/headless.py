"""A bundle's graph for engines that leave its last step to `LabelsHead`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from etc_edge.backends.labels_head import HeadPlan
from etc_edge.core.bundle import Bundle

if TYPE_CHECKING:
    import onnx


def load_headless(bundle: Bundle, folder: Path) -> onnx.ModelProto:
    """A bundle's graph up to its logits, and the rest as a plan in `folder`; whole where its head is of another kind.

    Raises:
        GraphError: the graph cannot be read.
    """
    from etc_edge.graph.heads import take_off_head
    from etc_edge.graph.load import load_model

    model = load_model(bundle.model_path)
    headless = take_off_head(model)
    if headless is None:
        return model
    model, upsampling = headless
    HeadPlan(upsampling=upsampling, size_hw=bundle.preprocessing.size_hw).write(folder)
    return model
