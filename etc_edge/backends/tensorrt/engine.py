"""A TensorRT engine with its memory and its streams: one frame after the other, or two in flight."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import tensorrt as trt

from etc_edge.backends.base import UInt8, check_frame
from etc_edge.backends.tensorrt.calls import allow_host_code, create_context, shared_memory_bytes
from etc_edge.backends.tensorrt.cuda import Gpu, Scratch, Stream, calling
from etc_edge.backends.tensorrt.cuda_graph import DriverGraphs
from etc_edge.backends.tensorrt.lane import Lane, Streams
from etc_edge.backends.tensorrt.layer_times import LayerTimes
from etc_edge.backends.tensorrt.layers import Layer, read_layers
from etc_edge.backends.tensorrt.logger import Log
from etc_edge.backends.tensorrt.tensors import find_tensors
from etc_edge.core.errors import EngineError

FRAMES_IN_FLIGHT = 2


class TensorRtEngine:
    """Runs a serialised engine from uint8 `frame` (1, H, W, 3) to uint8 `labels` (1, H, W).

    Args:
        path: what the compiler wrote; loading it runs code that is in it.
        threads: what the user asked for; the GPU does the work whatever it is.
        graphs: whether the network is launched as one CUDA graph where the driver has them.
        dla_core: the accelerator that it was built for; None for the GPU.

    Raises:
        EngineError: there is no GPU, or TensorRT refuses the file.
    """

    def __init__(self, path: Path, threads: int, graphs: bool = True, dla_core: int | None = None) -> None:
        self.threads = threads
        self._lanes: list[Lane] = []
        self._scratch: Scratch | None = None
        self._pending: deque[Lane] = deque()
        self._log = Log()
        self._gpu: Gpu | None = Gpu()
        self._graphs = DriverGraphs.find() if graphs else None
        try:
            with self._gpu:
                self._runtime: trt.Runtime | None = trt.Runtime(self._log)
                if dla_core is not None:
                    self._runtime.DLA_core = dla_core
                allow_host_code(self._runtime)
                self._engine = self._deserialize(self._runtime, path)
                self._tensors = find_tensors(self._engine)
                self._streams = calling(lambda: Streams(Stream(), Stream(), Stream()))
                self._profile = 0
                calling(self._open_lanes)
        except BaseException:
            self.close()
            raise

    @property
    def size_hw(self) -> tuple[int, int]:
        """See Engine."""
        return self._tensors.sizes_hw[self._profile]

    @property
    def sizes_hw(self) -> tuple[tuple[int, int], ...]:
        """Every size that `select` takes: one, unless the network was built for several."""
        return self._tensors.sizes_hw

    @property
    def captured(self) -> bool:
        """Whether the network runs as one CUDA graph."""
        return all(lane.captured for lane in self._lanes)

    def run(self, frame_rgb: UInt8) -> UInt8:
        """See Engine."""
        if self._pending:
            raise EngineError("Found frames in flight, expected none when one is run by itself.", "Finish them first.")
        self.start(frame_rgb)
        return self.finish()

    def start(self, frame_rgb: UInt8) -> None:
        """Put a frame in flight; `finish` gives its labels. Its memory may be used again when this returns.

        Args:
            frame_rgb: uint8 (H, W, 3) of `size_hw`.

        Raises:
            EngineError: the frame does not fit, or so many are in flight that there is no place.
        """
        gpu = self._open_gpu()
        check_frame(frame_rgb, self.size_hw)
        free = [lane for lane in self._lanes if lane not in self._pending]
        if not free:
            raise EngineError(f"Found {len(self._pending)} frames in flight, expected one to be finished first.")
        with gpu:
            calling(lambda: free[0].start(frame_rgb))
        self._pending.append(free[0])

    def finish(self) -> UInt8:
        """Labels of the frame that has been in flight for longest, uint8 (H, W), a fresh array.

        Raises:
            EngineError: none is in flight, or the GPU failed.
        """
        gpu = self._open_gpu()
        if not self._pending:
            raise EngineError("Found no frame in flight, expected one that was started.")
        with gpu:
            return calling(self._pending.popleft().finish)

    def stream(self, frames: Iterable[UInt8]) -> Iterator[UInt8]:
        """Labels of frames in order, the next frame being copied in while one is computed."""
        try:
            for frame_rgb in frames:
                if len(self._pending) == FRAMES_IN_FLIGHT:
                    yield self.finish()
                self.start(frame_rgb)
            while self._pending:
                yield self.finish()
        finally:
            self._drain()

    def select(self, size_hw: tuple[int, int]) -> None:
        """Take frames of another of `sizes_hw` from now on.

        Raises:
            EngineError: the engine was not built for that size.
        """
        gpu = self._open_gpu()
        if size_hw not in self.sizes_hw:
            raise EngineError(f"Found the size {size_hw}, expected one of {', '.join(map(str, self.sizes_hw))}.")
        with gpu:
            self._drain()
            self._close_lanes()
            self._profile = self.sizes_hw.index(size_hw)
            calling(self._open_lanes)

    def layer_times_ms(self, frame_rgb: UInt8, rounds: int = 20) -> dict[str, float]:
        """Mean milliseconds of every layer, by name, over some runs that come after one that does not count."""
        gpu = self._open_gpu()
        check_frame(frame_rgb, self.size_hw)
        with gpu:
            self._drain()
            times = LayerTimes()
            context = self._new_context()
            lane = calling(lambda: Lane(context, self._tensors, self.size_hw, self._streams, None))
            try:
                lane.start(frame_rgb)
                lane.finish()
                context.profiler = times
                for _ in range(rounds):
                    lane.start(frame_rgb)
                    lane.finish()
            finally:
                lane.free()
        return {name: total / rounds for name, total in times.total_ms.items()}

    def layers(self) -> tuple[Layer, ...]:
        """What TensorRT says of the engine's layers.

        Raises:
            EngineError: it says nothing.
        """
        with self._open_gpu():
            inspector = self._engine.create_engine_inspector()
            return read_layers(str(inspector.get_engine_information(trt.LayerInformationFormat.JSON)))

    def close(self) -> None:
        """See Engine."""
        gpu, self._gpu = self._gpu, None
        if gpu is None:
            return
        with gpu:
            self._drain()
            self._close_lanes()
            # TensorRT frees what it holds when the last reference goes, and a context before its engine.
            self.__dict__.pop("_engine", None)
            self._runtime = None
        gpu.close()

    def _open_gpu(self) -> Gpu:
        if self._gpu is None:
            raise EngineError("Found a closed engine, expected an open one.")
        return self._gpu

    def _deserialize(self, runtime: trt.Runtime, path: Path) -> trt.ICudaEngine:
        engine: trt.ICudaEngine | None = runtime.deserialize_cuda_engine(path.read_bytes())
        if engine is None:
            raise EngineError(
                f"TensorRT {trt.__version__} could not load {path}: {self._log.last_error()}.",
                "Compile the bundle again: engines are bound to a GPU and to a version.",
            )
        return engine

    def _new_context(self) -> trt.IExecutionContext:
        scratch = self._scratch
        nbytes = shared_memory_bytes(self._engine)
        context = create_context(self._engine, 0 if scratch is None else scratch.address, nbytes if scratch else 0)
        if self._tensors.dynamic:
            height, width = self.size_hw
            if not context.set_optimization_profile_async(self._profile, self._streams.compute.handle):
                raise EngineError(
                    f"Found TensorRT refusing the profile of {self.size_hw}.", "Compile the bundle again."
                )
            self._streams.compute.synchronize()
            if not context.set_input_shape(self._tensors.frame, trt.Dims([1, height, width, 3])):
                raise EngineError(f"Found TensorRT refusing frames of {self.size_hw}.", "Compile the bundle again.")
        return context

    def _open_lanes(self) -> None:
        nbytes = shared_memory_bytes(self._engine)
        if nbytes and self._scratch is None:
            self._scratch = Scratch(nbytes)  # lanes compute one after the other, so one serves all
        for _ in range(FRAMES_IN_FLIGHT):
            context = self._new_context()
            self._lanes.append(Lane(context, self._tensors, self.size_hw, self._streams, self._graphs))

    def _close_lanes(self) -> None:
        while self._lanes:
            self._lanes.pop().free()
        if self._scratch is not None:
            self._scratch.free()
            self._scratch = None

    def _drain(self) -> None:
        """Wait for what is in flight and forget it; what the GPU says of it no longer matters."""
        while self._pending:
            with suppress(EngineError):
                calling(self._pending.popleft().finish)
