"""Device memory, streams and events by pycuda, which only this file sees.

The GPU's primary context is retained: it is the one that torch, OpenCV and everything else built on CUDA's runtime
use, so that all live in one process. It is current only while something is done with it.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pycuda.driver as driver

from etc_edge.backends.tensorrt.gpu_facts import GpuFacts
from etc_edge.core.errors import EngineError

T = TypeVar("T")


def find_gpu() -> GpuFacts:
    """The first GPU that CUDA shows.

    Raises:
        EngineError: there is none.
    """
    try:
        driver.init()
        count = driver.Device.count()
        device = driver.Device(0) if count else None
    except driver.Error as error:
        raise _no_gpu(_words(error)) from error
    if device is None:
        raise _no_gpu("the driver shows no device")
    version = driver.get_driver_version()
    return GpuFacts(
        name=str(device.name()),
        compute_capability=device.compute_capability(),
        memory_bytes=int(device.total_memory()),
        integrated=bool(device.get_attribute(driver.device_attribute.INTEGRATED)),
        cuda=(version // 1000, version % 1000 // 10),
    )


class Stream:
    """A queue of the GPU's work.

    Attributes:
        handle: CUDA's number for it.
    """

    def __init__(self) -> None:
        self._stream: Any = driver.Stream()
        self.handle = int(self._stream.handle)

    def wait_for(self, event: Event) -> None:
        """Let what is queued from now on wait until an event that was recorded has come."""
        self._stream.wait_for_event(event.event)

    def synchronize(self) -> None:
        """Wait until all that is queued is done."""
        self._stream.synchronize()

    @property
    def stream(self) -> Any:
        """The vendor's object."""
        return self._stream


class Event:
    """A mark in a stream."""

    def __init__(self) -> None:
        # Without times it costs less, and a thread that waits for it sleeps instead of holding a core.
        flags = driver.event_flags.DISABLE_TIMING | driver.event_flags.BLOCKING_SYNC
        self.event: Any = driver.Event(flags)

    def record(self, stream: Stream) -> None:
        """Put the mark behind what is queued."""
        self.event.record(stream.stream)

    def synchronize(self) -> None:
        """Wait until the stream is past the mark."""
        self.event.synchronize()


class Buffer:
    """A tensor in page-locked host memory, which the GPU copies from and to by itself, and its place on the device.

    Args:
        shape: of the tensor.
        dtype: of the tensor.

    Attributes:
        host: the tensor on the host.
        address: where it is on the device.
    """

    def __init__(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> None:
        self.host: npt.NDArray[Any] = driver.pagelocked_empty(shape, np.dtype(dtype))
        self._device: Any = driver.mem_alloc(max(1, self.host.nbytes))
        self.address = int(self._device)

    def copy_in(self, stream: Stream) -> None:
        """Queue a copy from the host to the device."""
        driver.memcpy_htod_async(self._device, self.host, stream.stream)

    def copy_out(self, stream: Stream) -> None:
        """Queue a copy from the device to the host."""
        driver.memcpy_dtoh_async(self.host, self._device, stream.stream)

    def free(self) -> None:
        """Give both memories back; `host` must not be used any more."""
        allocation = self.host.base
        self.host = np.zeros(0, self.host.dtype)
        self._device.free()
        allocation.free()  # type: ignore[union-attr]  # pycuda's arrays lie in an allocation of its own


class Scratch:
    """Device memory without a copy on the host."""

    def __init__(self, nbytes: int) -> None:
        self._device: Any = driver.mem_alloc(nbytes)
        self.address = int(self._device)

    def free(self) -> None:
        """Give it back."""
        self._device.free()


class Gpu:
    """The first GPU's primary context; `with gpu:` makes it current in this thread for a block.

    Raises:
        EngineError: there is no GPU, or its context cannot be had.
    """

    def __init__(self) -> None:
        self.facts = find_gpu()
        self._context: Any = calling(lambda: driver.Device(0).retain_primary_context())

    def __enter__(self) -> Gpu:
        if self._context is None:
            raise EngineError("Found a closed engine, expected an open one.")
        self._context.push()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        driver.Context.pop()

    def free_memory_bytes(self) -> int:
        """Device memory that nobody uses; the context must be current."""
        return int(driver.mem_get_info()[0])

    def close(self) -> None:
        """Let go of the context; the GPU's other users keep it. Closing twice does no harm."""
        if self._context is not None:
            self._context.detach()
            self._context = None


def calling(work: Callable[[], T]) -> T:
    """What `work` gives, with errors of the GPU as ours.

    Raises:
        EngineError: CUDA failed, or device memory ran out.
    """
    try:
        return work()
    except driver.MemoryError as error:
        raise EngineError(
            f"Found no device memory left: {_words(error)}.", "Close other programs that use the GPU."
        ) from error
    except driver.Error as error:
        raise EngineError(f"CUDA failed: {_words(error)}.", "See `etc-edge doctor`, and the system's log.") from error


def _no_gpu(reason: str) -> EngineError:
    return EngineError(
        f"Found no NVIDIA GPU ({reason}), expected one for TensorRT.",
        "Try --target cpu here; `etc-edge doctor` says what is missing.",
    )


def _words(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
