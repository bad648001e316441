"""What a graph will say on a device: the form that ONNX Runtime gets, run by it."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx

from etc_edge.backends.device import lowering_here
from etc_edge.core.environment import available_cores
from etc_edge.core.errors import EngineError
from etc_edge.core.optional import require
from etc_edge.graph.heads import LABELS
from etc_edge.graph.load import to_bytes
from etc_edge.graph.lower import lower
from etc_edge.graph.preprocess import FRAME
from etc_edge.training.validation import Predict, UInt8


def deployed_labels(model: onnx.ModelProto) -> Predict:
    """How a deployed graph labels frames, lowered and run as `etc-edge run` does it.

    Raises:
        EngineError: ONNX Runtime refuses the graph.
        DependencyError: ONNX Runtime is not installed.
    """
    ort: Any = require("onnxruntime", "onnxruntime", "fine-tuning")
    from etc_edge.backends.onnxruntime.engine import session_options

    try:
        session = ort.InferenceSession(
            to_bytes(lower(model, lowering_here("onnxruntime"))),
            session_options(available_cores()),
            providers=["CPUExecutionProvider"],
        )
    except Exception as error:  # ONNX Runtime raises a dozen kinds that share no useful base
        raise EngineError(f"ONNX Runtime refused the graph: {' '.join(str(error).split())[:300]}.") from error

    def predicted(image: UInt8) -> UInt8:
        (labels,) = session.run([LABELS], {FRAME: image[None]})
        return np.asarray(labels[0], np.uint8)

    return predicted
