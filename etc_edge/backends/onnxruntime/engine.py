"""A session of ONNX Runtime with its input and output bound to memory of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from etc_edge.backends.base import UInt8, check_frame
from etc_edge.backends.labels_head import HeadPlan, output_of
from etc_edge.core.errors import EngineError

_ERRORS_ONLY = 3


class OnnxRuntimeEngine:
    """Runs an optimised graph from uint8 `frame` (1, H, W, 3) to uint8 `labels` (1, H, W), or to logits and then on.

    Args:
        path: what the compiler wrote.
        threads: processor threads of one inference.
        plan: how logits become labels; None where the graph gives labels.

    Raises:
        EngineError: ONNX Runtime refused the file.
    """

    def __init__(self, path: Path, threads: int, plan: HeadPlan | None = None) -> None:
        self.threads = threads
        settings = session_options(threads)
        settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        try:
            self._session: Any = onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise EngineError(f"ONNX Runtime {onnxruntime.__version__} could not load {path}: {error}") from error
        frame, output = self._session.get_inputs()[0], self._session.get_outputs()[0]
        _, height, width, _ = frame.shape
        self.size_hw = (int(height), int(width))
        self._frame: UInt8 = np.zeros((1, height, width, 3), np.uint8)
        self._output = output_of(plan, tuple(output.shape))
        self._head = None if plan is None else plan.head(self._output.shape, threads)
        self._binding = self._session.io_binding()
        self._binding.bind_ortvalue_input(frame.name, onnxruntime.OrtValue.ortvalue_from_numpy(self._frame))
        self._binding.bind_ortvalue_output(output.name, onnxruntime.OrtValue.ortvalue_from_numpy(self._output))

    def run(self, frame_rgb: UInt8) -> UInt8:
        """See Engine."""
        self.put(frame_rgb)
        self.execute()
        return self.take()

    def put(self, frame_rgb: UInt8) -> None:
        """See StagedEngine."""
        if self._session is None:
            raise EngineError("Found a closed engine, expected an open one.")
        check_frame(frame_rgb, self.size_hw)
        np.copyto(self._frame[0], frame_rgb)

    def execute(self) -> None:
        """See StagedEngine."""
        if self._session is None:
            raise EngineError("Found a closed engine, expected an open one.")
        try:
            self._session.run_with_iobinding(self._binding)
        except Exception as error:
            raise EngineError(f"ONNX Runtime failed on a frame: {error}") from error

    def take(self) -> UInt8:
        """See StagedEngine."""
        return self._output[0].copy() if self._head is None else self._head(self._output[0])

    def close(self) -> None:
        """See Engine."""
        if self._head is not None:
            self._head.close()
        self._binding = None
        self._session = None


def session_options(threads: int) -> Any:
    """Settings of a session that shares the processor with decoding and writing threads.

    Workers spin while an inference runs, which is fastest, and stop when it ends: spinning on would take the
    cores from the work between two frames.
    """
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    settings.inter_op_num_threads = 1
    settings.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    settings.log_severity_level = _ERRORS_ONLY
    settings.add_session_config_entry("session.force_spinning_stop", "1")
    return settings
