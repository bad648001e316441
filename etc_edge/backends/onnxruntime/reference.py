"""What a graph computes by the letter of the ONNX specification: every node as written, in float where it says so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from etc_edge.core.environment import available_cores
from etc_edge.core.errors import GraphError
from etc_edge.core.optional import require

Array = npt.NDArray[Any]


def run_reference(
    model: bytes, inputs: dict[str, Array], outputs: Sequence[str] | None = None, optimized: bool = False
) -> list[Array]:
    """Run a graph once in ONNX Runtime.

    Args:
        model: a serialised model.
        inputs: arrays by input name.
        outputs: names of the outputs wanted, all when None.
        optimized: allow fusions, which change results by rounding; of a quantized graph leave them out.

    Raises:
        GraphError: ONNX Runtime refuses the graph or the inputs.
        DependencyError: ONNX Runtime is not installed.
    """
    ort: Any = require("onnxruntime", "onnxruntime", "checking a graph")
    options = ort.SessionOptions()
    options.intra_op_num_threads = available_cores()
    options.log_severity_level = 3
    if not optimized:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        return [np.asarray(value) for value in session.run(outputs, inputs)]
    except Exception as error:  # ONNX Runtime raises a dozen kinds that share no useful base
        raise GraphError(f"ONNX Runtime refused the graph: {' '.join(str(error).split())[:300]}.") from error
