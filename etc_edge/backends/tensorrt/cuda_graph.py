"""CUDA graphs: what was queued once, launched again in one call. pycuda has none, so these are the driver's own calls.

The names and arguments are those of CUDA's header `cuda.h`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

from etc_edge.core.errors import EngineError

LIBRARY = "libcuda.so.1"

# CU_STREAM_CAPTURE_MODE_THREAD_LOCAL: other threads, such as torch's, may allocate memory meanwhile.
_THREAD_LOCAL = 1
_CALLS = (
    "cuStreamBeginCapture_v2",
    "cuStreamEndCapture",
    "cuGraphInstantiateWithFlags",
    "cuGraphLaunch",
    "cuGraphExecDestroy",
    "cuGraphDestroy",
)


class DriverGraphs:
    """The driver's calls for graphs.

    Args:
        library: CUDA's driver, as ctypes loads it.
    """

    def __init__(self, library: Any) -> None:
        self._library = library

    @classmethod
    def find(cls) -> DriverGraphs | None:
        """Those of this machine's driver; None where it has none of them, as before CUDA 11.4."""
        try:
            library = ctypes.CDLL(LIBRARY)
        except OSError:
            return None
        return cls(library) if all(hasattr(library, name) for name in _CALLS) else None

    def capture(self, stream: int, queue: Callable[[], None]) -> CapturedGraph:
        """A graph of what `queue` puts into a stream; nothing of it is carried out yet.

        Args:
            stream: the stream's handle.
            queue: queues work in that stream and does nothing else with the GPU.

        Raises:
            EngineError: the work cannot be captured.
        """
        graph, executable = ctypes.c_void_p(), ctypes.c_void_p()
        self.call("cuStreamBeginCapture_v2", ctypes.c_void_p(stream), ctypes.c_int(_THREAD_LOCAL))
        try:
            queue()
        except BaseException:
            # A stream that is left capturing is of no use any more; why it went wrong says the error.
            self._library.cuStreamEndCapture(ctypes.c_void_p(stream), ctypes.byref(graph))
            raise
        self.call("cuStreamEndCapture", ctypes.c_void_p(stream), ctypes.byref(graph))
        try:
            self.call("cuGraphInstantiateWithFlags", ctypes.byref(executable), graph, ctypes.c_ulonglong(0))
        finally:
            self.call("cuGraphDestroy", graph)
        return CapturedGraph(self, executable)

    def call(self, name: str, *arguments: Any) -> None:
        """Make one of the driver's calls.

        Raises:
            EngineError: it failed.
        """
        code = getattr(self._library, name)(*arguments)
        if code != 0:
            raise EngineError(f"CUDA failed: {name} gave error {code}.", "See `etc-edge doctor`, and the system's log.")


class CapturedGraph:
    """Work that can be launched again and again."""

    def __init__(self, driver: DriverGraphs, executable: ctypes.c_void_p) -> None:
        self._driver, self._executable = driver, executable

    def launch(self, stream: int) -> None:
        """Queue all of it in a stream, given by its handle.

        Raises:
            EngineError: the driver refuses.
        """
        self._driver.call("cuGraphLaunch", self._executable, ctypes.c_void_p(stream))

    def free(self) -> None:
        """Give it back to the driver."""
        self._driver.call("cuGraphExecDestroy", self._executable)
