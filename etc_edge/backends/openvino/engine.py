"""An inference request of OpenVINO with its input and output in memory of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from etc_edge.backends.base import UInt8, check_frame
from etc_edge.backends.labels_head import HeadPlan, output_of
from etc_edge.backends.openvino.vendor import import_openvino, shared_core
from etc_edge.core.errors import EngineError

openvino = import_openvino("the OpenVINO engine")


class OpenVinoEngine:
    """Runs a compiled model from uint8 `frame` (1, H, W, 3) to uint8 `labels` (1, H, W), or to logits and then on.

    Args:
        path: what the compiler wrote.
        threads: processor threads of one inference.
        plan: how logits become labels; None where the model gives labels.

    Raises:
        EngineError: OpenVINO refused the file.
    """

    def __init__(self, path: Path, threads: int, plan: HeadPlan | None = None) -> None:
        self.threads = threads
        try:
            model = shared_core().import_model(path.read_bytes(), "CPU", properties(threads))
            _, height, width, _ = model.input(0).shape
            output_shape = tuple(int(extent) for extent in model.output(0).shape)
            self._request: Any = model.create_infer_request()
        except Exception as error:
            raise EngineError(f"OpenVINO {openvino.__version__} could not load {path}: {error}") from error
        self.size_hw = (int(height), int(width))
        self._frame: UInt8 = np.zeros((1, *self.size_hw, 3), np.uint8)
        self._output = output_of(plan, output_shape)
        self._head = None if plan is None else plan.head(output_shape, threads)
        self._request.set_input_tensor(0, openvino.Tensor(self._frame, shared_memory=True))
        self._request.set_output_tensor(0, openvino.Tensor(self._output, shared_memory=True))

    def run(self, frame_rgb: UInt8) -> UInt8:
        """See Engine."""
        self.put(frame_rgb)
        self.execute()
        return self.take()

    def put(self, frame_rgb: UInt8) -> None:
        """See StagedEngine."""
        if self._request is None:
            raise EngineError("Found a closed engine, expected an open one.")
        check_frame(frame_rgb, self.size_hw)
        np.copyto(self._frame[0], frame_rgb)

    def execute(self) -> None:
        """See StagedEngine."""
        if self._request is None:
            raise EngineError("Found a closed engine, expected an open one.")
        try:
            self._request.start_async()
            self._request.wait()
        except Exception as error:
            raise EngineError(f"OpenVINO failed on a frame: {error}") from error

    def take(self) -> UInt8:
        """See StagedEngine."""
        return self._output[0].copy() if self._head is None else self._head(self._output[0])

    def close(self) -> None:
        """See Engine."""
        if self._head is not None:
            self._head.close()
        self._request = None


def properties(threads: int) -> dict[str, str]:
    """Settings for one frame at a time, with the numerics that the bundle states.

    What is float in a bundle is computed in float32: left to itself OpenVINO takes bfloat16 where the processor
    has it, which is another network than the one that was measured. Threads are not pinned to cores, since
    decoding and writing run on the same ones.
    """
    return {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
        "NUM_STREAMS": "1",
        "INFERENCE_NUM_THREADS": str(threads),
        "ENABLE_CPU_PINNING": "NO",
    }
