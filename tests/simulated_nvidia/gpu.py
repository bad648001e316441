"""A simulated GPU: memory with addresses, streams that do nothing until they are waited for, and a ledger.

Nothing here is a real device, and no time measured on it says anything of one. Work in a stream is put off for as long
as nobody waits for it, and then only what was waited for is done: a missing wait gives wrong labels, always.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from itertools import count

import numpy as np
import numpy.typing as npt

UInt8 = npt.NDArray[np.uint8]


class SimulatedFault(Exception):
    """A call that a real driver would refuse, or crash on."""


def fault() -> str:
    """What goes wrong in this process: the variable `SIMULATED_NVIDIA_FAULT`."""
    return os.environ.get("SIMULATED_NVIDIA_FAULT", "")


def computes_nothing() -> bool:
    """Whether networks and copies do nothing, for timing what is around them: `SIMULATED_NVIDIA_NULL`."""
    return bool(os.environ.get("SIMULATED_NVIDIA_NULL"))


class Memory:
    """Device memory by address."""

    def __init__(self) -> None:
        self._blocks: dict[int, UInt8] = {}
        self._next = 1 << 20

    def allocate(self, nbytes: int) -> int:
        """An address of so many bytes, filled with what nobody should read."""
        address = self._next
        self._next += -(-nbytes // 256) * 256 + 4096
        self._blocks[address] = np.full(nbytes, 0xA5, np.uint8)
        return address

    def free(self, address: int) -> None:
        """Give memory back."""
        if address not in self._blocks:
            raise SimulatedFault(f"free of {address:#x}, which is no allocation")
        del self._blocks[address]

    def at(self, address: int, nbytes: int) -> UInt8:
        """The bytes of an allocation."""
        block = self._blocks.get(address)
        if block is None or block.nbytes < nbytes:
            raise SimulatedFault(f"access of {nbytes} bytes at {address:#x}, which are not allocated")
        return block[:nbytes]

    @property
    def held(self) -> int:
        """How many allocations there are."""
        return len(self._blocks)


class Mark:
    """A place in a stream."""

    def __init__(self, stream: Queue) -> None:
        self.stream = stream
        self.passed = False


class Queue:
    """A stream of work that is done when it is waited for."""

    def __init__(self) -> None:
        self._work: deque[Callable[[], None]] = deque()
        self.captured: list[Callable[[], None]] | None = None

    def put(self, work: Callable[[], None]) -> None:
        """Queue work, or add it to the graph that is being captured."""
        if self.captured is not None:
            self.captured.append(work)
        else:
            self._work.append(work)

    def put_mark(self) -> Mark:
        """Queue a mark."""
        mark = Mark(self)

        def passed() -> None:
            mark.passed = True

        self.put(passed)
        return mark

    def put_wait(self, mark: Mark | None) -> None:
        """Queue a wait for a mark of another stream; one that was never recorded holds nothing up."""
        if mark is not None:
            self.put(lambda: mark.stream.run_to(mark))

    def run_to(self, mark: Mark) -> None:
        """Do what lies before a mark."""
        while not mark.passed:
            self._work.popleft()()

    def run(self) -> None:
        """Do all there is."""
        if self.captured is not None:
            raise SimulatedFault("a stream was waited for while a graph was captured from it")
        while self._work:
            self._work.popleft()()


class Device:
    """All of the simulated GPU's state in this process."""

    def __init__(self) -> None:
        self.memory = Memory()
        self.pinned = 0
        self.retained = 0
        self.initialized = False
        self.queues: dict[int, Queue] = {}
        self.graphs: dict[int, list[Callable[[], None]]] = {}
        self.handles = count(0x1000, 16)
        self._local = threading.local()

    @property
    def contexts(self) -> list[object]:
        """The stack of contexts that are current in this thread."""
        if not hasattr(self._local, "contexts"):
            self._local.contexts = []
        stack: list[object] = self._local.contexts
        return stack

    def expect_context(self, call: str) -> None:
        """Refuse a call without a current context, as CUDA does."""
        if not self.contexts:
            raise SimulatedFault(f"{call} without a current context")

    def new_queue(self) -> tuple[int, Queue]:
        """A stream and its handle."""
        handle, queue = next(self.handles), Queue()
        self.queues[handle] = queue
        return handle, queue

    def held(self) -> dict[str, int]:
        """What nobody gave back yet."""
        found = {
            "device memory": self.memory.held,
            "pinned memory": self.pinned,
            "contexts": self.retained,
            "graphs": len(self.graphs),
        }
        return {name: number for name, number in found.items() if number}


DEVICE = Device()
