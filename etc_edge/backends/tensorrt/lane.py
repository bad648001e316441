"""One of the frames in flight: its memory, its execution context, and the marks that its copies wait for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tensorrt as trt

from etc_edge.backends.base import UInt8
from etc_edge.backends.tensorrt.cuda import Buffer, Event, Stream
from etc_edge.backends.tensorrt.cuda_graph import CapturedGraph, DriverGraphs
from etc_edge.backends.tensorrt.tensors import Tensors
from etc_edge.core.errors import EngineError


@dataclass(frozen=True)
class Streams:
    """Three queues, so that one frame is copied in and another copied out while a third is computed."""

    copy_in: Stream
    compute: Stream
    copy_out: Stream


class Lane:
    """Takes one frame at a time from the host through the network and back. The GPU's context must be current.

    Args:
        context: an execution context of its own, with its size set.
        tensors: names of the engine's input and output.
        size_hw: of the frame.
        streams: shared with the other lanes.
        graphs: the driver's graphs; None queues the network's kernels one by one.

    Raises:
        EngineError: TensorRT refuses the memory, or the network cannot run.
    """

    def __init__(
        self,
        context: trt.IExecutionContext,
        tensors: Tensors,
        size_hw: tuple[int, int],
        streams: Streams,
        graphs: DriverGraphs | None,
    ) -> None:
        self._context, self._streams = context, streams
        self._frame, self._labels = Buffer((1, *size_hw, 3), np.uint8), Buffer((1, *size_hw), np.uint8)
        self._copied_in, self._computed, self._copied_out = Event(), Event(), Event()
        self._graph: CapturedGraph | None = None
        for name, buffer in ((tensors.frame, self._frame), (tensors.labels, self._labels)):
            if not context.set_tensor_address(name, buffer.address):
                raise EngineError(f"Found TensorRT refusing memory for {name!r}.", "Compile the bundle again.")
        if graphs is not None:
            # The first run does what is done once; it would fail within a graph.
            self._queue()
            streams.compute.synchronize()
            try:
                self._graph = graphs.capture(streams.compute.handle, self._queue)
            except EngineError:
                self._graph = None  # a network with loops or on an accelerator; it runs as before, only with more calls

    @property
    def captured(self) -> bool:
        """Whether the network runs as one CUDA graph."""
        return self._graph is not None

    def start(self, frame_rgb: UInt8) -> None:
        """Queue a frame; it is copied before this returns.

        Raises:
            EngineError: the network cannot run.
        """
        streams = self._streams
        np.copyto(self._frame.host[0], frame_rgb)
        self._frame.copy_in(streams.copy_in)
        self._copied_in.record(streams.copy_in)
        streams.compute.wait_for(self._copied_in)
        if self._graph is None:
            self._queue()
        else:
            self._graph.launch(streams.compute.handle)
        self._computed.record(streams.compute)
        streams.copy_out.wait_for(self._computed)
        self._labels.copy_out(streams.copy_out)
        self._copied_out.record(streams.copy_out)

    def finish(self) -> UInt8:
        """Wait for the frame's labels, uint8 (H, W), a fresh array."""
        self._copied_out.synchronize()
        labels: UInt8 = self._labels.host[0].copy()
        return labels

    def free(self) -> None:
        """Give everything back; the lane must be at rest."""
        if self._graph is not None:
            self._graph.free()
        del self._context
        self._frame.free()
        self._labels.free()

    def _queue(self) -> None:
        if not self._context.execute_async_v3(self._streams.compute.handle):
            raise EngineError("Found TensorRT failing to run the network.", "Compile the bundle again.")
