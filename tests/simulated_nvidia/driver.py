"""A simulated `pycuda.driver`: the part of its interface that we use, on the simulated GPU. Names are pycuda's."""

from __future__ import annotations

import ctypes
import os
from enum import IntFlag
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.simulated_nvidia.gpu import DEVICE, Mark, Queue, computes_nothing, fault


class Error(Exception):
    """See pycuda."""


class MemoryError(Error):
    """See pycuda."""


class LogicError(Error):
    """See pycuda."""


class event_flags(IntFlag):
    DEFAULT = 0
    BLOCKING_SYNC = 1
    DISABLE_TIMING = 2


class device_attribute(IntFlag):
    INTEGRATED = 18


def init(flags: int = 0) -> None:
    if fault() == "no_driver":
        raise Error("cuInit failed: no CUDA-capable device is detected")
    DEVICE.initialized = True


def get_driver_version() -> int:
    return int(os.environ.get("SIMULATED_NVIDIA_CUDA", "12060"))


def mem_get_info() -> tuple[int, int]:
    return 6 << 30, 8 << 30


class Device:
    def __init__(self, number: int) -> None:
        if not DEVICE.initialized:
            raise LogicError("cuDeviceGet failed: initialization error")

    @staticmethod
    def count() -> int:
        return 0 if fault() == "no_gpu" else 1

    def name(self) -> str:
        return os.environ.get("SIMULATED_NVIDIA_GPU", "Simulated GPU")

    def compute_capability(self) -> tuple[int, int]:
        return 8, 7

    def total_memory(self) -> int:
        return 8 << 30

    def get_attribute(self, attribute: device_attribute) -> int:
        return int(bool(os.environ.get("SIMULATED_NVIDIA_INTEGRATED")))

    def retain_primary_context(self) -> Context:
        DEVICE.retained += 1
        return Context()


class Context:
    def push(self) -> None:
        DEVICE.contexts.append(self)

    @staticmethod
    def pop() -> None:
        DEVICE.expect_context("pop")
        DEVICE.contexts.pop()

    def detach(self) -> None:
        DEVICE.retained -= 1


class Stream:
    def __init__(self, flags: int = 0) -> None:
        DEVICE.expect_context("Stream")
        self._handle, self._queue = DEVICE.new_queue()

    @property
    def handle(self) -> int:
        return self._handle

    def synchronize(self) -> None:
        self._queue.run()

    def wait_for_event(self, event: Event) -> None:
        self._queue.put_wait(event._mark)


class Event:
    def __init__(self, flags: int = 0) -> None:
        DEVICE.expect_context("Event")
        self._mark: Mark | None = None

    def record(self, stream: Stream | None = None) -> Event:
        DEVICE.expect_context("record")
        assert stream is not None
        self._mark = stream._queue.put_mark()
        return self

    def synchronize(self) -> Event:
        if self._mark is not None:
            self._mark.stream.run_to(self._mark)
        return self


class PagelockedHostAllocation:
    def __init__(self, nbytes: int) -> None:
        DEVICE.pinned += 1
        self._bytes: Any = (ctypes.c_ubyte * max(1, nbytes))()
        address = ctypes.addressof(self._bytes)
        self.__array_interface__ = {"shape": (nbytes,), "typestr": "|u1", "data": (address, False), "version": 3}

    def free(self) -> None:
        if self._bytes is None:
            raise LogicError("cuMemFreeHost failed: invalid argument")
        DEVICE.pinned -= 1
        self._bytes = None


class DeviceAllocation:
    def __init__(self, nbytes: int) -> None:
        self._address: int | None = DEVICE.memory.allocate(nbytes)

    def __int__(self) -> int:
        assert self._address is not None
        return self._address

    def free(self) -> None:
        if self._address is None:
            raise LogicError("cuMemFree failed: invalid argument")
        DEVICE.memory.free(self._address)
        self._address = None


def pagelocked_empty(shape: Any, dtype: Any, order: str = "C", mem_flags: int = 0) -> npt.NDArray[Any]:
    DEVICE.expect_context("pagelocked_empty")
    dtype = np.dtype(dtype)
    count = int(np.prod(shape))
    allocation = PagelockedHostAllocation(count * dtype.itemsize)
    array = np.ndarray(shape, dtype, np.asarray(allocation), order="C")
    # pycuda's arrays have the allocation itself as their base.
    return _Pagelocked(array, allocation)


class _Pagelocked(np.ndarray):  # type: ignore[type-arg]
    """An array whose base is an allocation."""

    _allocation: Any = None

    def __new__(cls, array: npt.NDArray[Any], allocation: PagelockedHostAllocation) -> _Pagelocked:
        view = array.view(cls)
        view._allocation = allocation
        return view

    @property
    def base(self) -> Any:
        return self._allocation if self._allocation is not None else super().base


def mem_alloc(size: int) -> DeviceAllocation:
    DEVICE.expect_context("mem_alloc")
    if fault() == "memory":
        raise MemoryError("cuMemAlloc failed: out of memory")
    return DeviceAllocation(size)


def memcpy_htod_async(dest: Any, src: Any, stream: Stream | None = None) -> None:
    _copy(stream, lambda: np.copyto(DEVICE.memory.at(int(dest), src.nbytes), _bytes(src)))


def memcpy_dtoh_async(dest: Any, src: Any, stream: Stream | None = None) -> None:
    _copy(stream, lambda: np.copyto(_bytes(dest), DEVICE.memory.at(int(src), dest.nbytes)))


def _copy(stream: Stream | None, work: Any) -> None:
    DEVICE.expect_context("a copy")
    assert stream is not None
    queue: Queue = stream._queue
    queue.put(_nothing if computes_nothing() else work)


def _nothing() -> None:
    return None


def _bytes(array: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    return np.asarray(array).reshape(-1).view(np.uint8)
