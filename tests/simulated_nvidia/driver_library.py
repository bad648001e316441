"""Simulated calls of CUDA's driver library for graphs, as ctypes would make them."""

from __future__ import annotations

from typing import Any

from tests.simulated_nvidia.gpu import DEVICE


class SimulatedLibrary:
    """What `ctypes.CDLL("libcuda.so.1")` gives, for the calls that `cuda_graph` makes.

    Args:
        fails: name of a call that gives an error.
    """

    def __init__(self, fails: str = "") -> None:
        self._fails = fails
        self.launches = 0

    def cuStreamBeginCapture_v2(self, stream: Any, mode: Any) -> int:
        DEVICE.queues[stream.value].captured = []
        return self._code("cuStreamBeginCapture_v2")

    def cuStreamEndCapture(self, stream: Any, graph: Any) -> int:
        queue = DEVICE.queues[stream.value]
        captured, queue.captured = queue.captured, None
        if self._fails != "cuStreamEndCapture":
            handle = next(DEVICE.handles)
            DEVICE.graphs[handle] = captured or []
            graph._obj.value = handle
        return self._code("cuStreamEndCapture")

    def cuGraphInstantiateWithFlags(self, executable: Any, graph: Any, flags: Any) -> int:
        if self._fails != "cuGraphInstantiateWithFlags":
            handle = next(DEVICE.handles)
            DEVICE.graphs[handle] = DEVICE.graphs[graph.value]
            executable._obj.value = handle
        return self._code("cuGraphInstantiateWithFlags")

    def cuGraphLaunch(self, executable: Any, stream: Any) -> int:
        self.launches += 1
        work = DEVICE.graphs[executable.value]
        DEVICE.queues[stream.value].put(lambda: [step() for step in work] and None)
        return self._code("cuGraphLaunch")

    def cuGraphExecDestroy(self, executable: Any) -> int:
        del DEVICE.graphs[executable.value]
        return 0

    def cuGraphDestroy(self, graph: Any) -> int:
        del DEVICE.graphs[graph.value]
        return 0

    def _code(self, name: str) -> int:
        return 901 if name == self._fails else 0
