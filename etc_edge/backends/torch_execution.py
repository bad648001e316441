"""A program in torch on a device, with its input and output in memory of ours; on a GPU as one CUDA graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from etc_edge.backends.base import UInt8, check_frame
from etc_edge.backends.labels_head import HeadPlan, output_of
from etc_edge.core.errors import EngineError

Program = Callable[[Tensor], Tensor]
"""From uint8 (1, H, W, 3) to uint8 (1, H, W), or to float32 logits (1, classes, h, w)."""

# Kernels are chosen in the first pass and everything is allocated by the third.
WARM_UP = 3


class ProgramEngine:
    """Runs a program: see `backends.base.Engine`.

    On the CPU the program is called as it is. On a GPU the copy of the frame, the program and the copy of the labels
    are captured once as a CUDA graph, between pinned buffers, and one launch runs them all. What is 32 bits there is
    computed in 32 bits, without TF32.

    Args:
        program: on the device already.
        size_hw: height and width of the frames.
        threads: processor threads of one inference.
        device: where it runs.
        plan: how logits become labels; None where the program gives labels.

    Raises:
        EngineError: the program does not run.
    """

    def __init__(
        self,
        program: Program,
        size_hw: tuple[int, int],
        threads: int,
        device: torch.device,
        plan: HeadPlan | None = None,
    ) -> None:
        self.size_hw, self.threads = size_hw, threads
        self._frame = torch.zeros((1, *size_hw, 3), dtype=torch.uint8, pin_memory=device.type == "cuda")
        self._frame_array: UInt8 = self._frame.numpy()
        self._runner: _OnProcessor | _OnGpu | None
        try:
            if device.type == "cuda":
                self._runner = _OnGpu(program, self._frame, device)
            else:
                self._runner = _OnProcessor(program, self._frame, threads)
            result = self._runner.run()
        except Exception as error:
            raise EngineError(f"torch {torch.__version__} could not run the program: {error}") from error
        output_of(plan, result.shape)
        self._head = None if plan is None else plan.head(result.shape, threads)

    @property
    def captured(self) -> bool:
        """Whether a frame is one launch of a CUDA graph."""
        return isinstance(self._runner, _OnGpu) and self._runner.captured

    def run(self, frame_rgb: UInt8) -> UInt8:
        """See Engine."""
        if self._runner is None:
            raise EngineError("Found a closed engine, expected an open one.")
        check_frame(frame_rgb, self.size_hw)
        np.copyto(self._frame_array[0], frame_rgb)
        try:
            result = self._runner.run()
        except Exception as error:
            raise EngineError(f"torch failed on a frame: {error}") from error
        return result[0].copy() if self._head is None else self._head(np.ascontiguousarray(result[0]))

    def close(self) -> None:
        """See Engine."""
        if self._head is not None:
            self._head.close()
        if self._runner is not None:
            self._runner.close()
        self._runner = None


class _OnProcessor:
    def __init__(self, program: Program, frame: Tensor, threads: int) -> None:
        self._program, self._frame, self._threads = program, frame, threads

    def run(self) -> npt.NDArray[np.generic]:
        # The number of threads belongs to the process: another engine may have set it meanwhile.
        if torch.get_num_threads() != self._threads:
            torch.set_num_threads(self._threads)
        with torch.inference_mode():
            result: npt.NDArray[np.generic] = self._program(self._frame).numpy()
        return result

    def close(self) -> None:
        """Nothing is held but the program."""


class _OnGpu:
    def __init__(self, program: Program, frame: Tensor, device: torch.device) -> None:
        self._program: Program | None = program
        self._device, self._stream = device, torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._host_frame, self._frame = frame, torch.zeros_like(frame, device=device)
        self._graph: torch.cuda.CUDAGraph | None = None
        with self._on_stream():
            result = program(self._frame)
            self._result = torch.zeros(result.shape, dtype=result.dtype, pin_memory=True)
            self._array: npt.NDArray[np.generic] = self._result.numpy()
            for _ in range(WARM_UP - 1):
                self._pass()
        self._stream.synchronize()
        self._graph = self._capture()

    @property
    def captured(self) -> bool:
        return self._graph is not None

    def run(self) -> npt.NDArray[np.generic]:
        if self._graph is None:
            with self._on_stream():
                self._pass()
        else:
            with torch.cuda.device(self._device), torch.cuda.stream(self._stream):
                self._graph.replay()
        self._stream.synchronize()
        return self._array

    def close(self) -> None:
        """Give the memory back to the driver."""
        self._stream.synchronize()
        if self._graph is not None:
            self._graph.reset()
        self._graph = self._program = None
        torch.cuda.empty_cache()

    def _capture(self) -> torch.cuda.CUDAGraph | None:
        """The pass as one launch, or None where something in it cannot be captured: then it runs step by step."""
        graph = torch.cuda.CUDAGraph()
        try:
            with self._on_stream(), torch.cuda.graph(graph, stream=self._stream):
                self._pass()
        except RuntimeError:
            torch.cuda.synchronize(self._device)
            return None
        return graph

    def _pass(self) -> None:
        assert self._program is not None
        self._frame.copy_(self._host_frame, non_blocking=True)
        self._result.copy_(self._program(self._frame), non_blocking=True)

    @contextmanager
    def _on_stream(self) -> Iterator[None]:
        """Work on the stream, kernels chosen by trying them, 32-bit floats without TF32."""
        with (
            torch.inference_mode(),
            torch.cuda.device(self._device),
            torch.cuda.stream(self._stream),
            torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=False),
        ):
            yield
