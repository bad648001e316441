"""Results of a run, for a plain loop or an asyncio one."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from types import TracebackType
from typing import Generic, TypeVar

T = TypeVar("T")


class Stop:
    """A stop that may be asked for before there is anything to stop."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._asked = False
        self._action: Callable[[], None] | None = None

    def connect(self, action: Callable[[], None]) -> None:
        """Say how to stop; done at once where that was asked for already."""
        with self._lock:
            self._action = action
            asked = self._asked
        if asked:
            action()

    def __call__(self) -> None:
        """Stop; any thread may ask."""
        with self._lock:
            self._asked = True
            action = self._action
        if action is not None:
            action()


class Results(Generic[T]):
    """Results in order, once: `for result in results` or `async for result in results`.

    In an `async for` the work is done in a thread of its own and the event loop stays free; leaving the loop, being
    cancelled included, ends it.

    Args:
        begin: makes the results; it connects the stop it is given to what it starts.
    """

    def __init__(self, begin: Callable[[Stop], Generator[T, None, None]]) -> None:
        self._stop = Stop()
        self._results = begin(self._stop)

    def __iter__(self) -> Results[T]:
        return self

    def __next__(self) -> T:
        return next(self._results)

    def __aiter__(self) -> AsyncGenerator[T, None]:
        return self._in_a_thread()

    async def _in_a_thread(self) -> AsyncGenerator[T, None]:
        import asyncio  # takes longer to import than all else here, and few need it

        loop = asyncio.get_running_loop()
        worker = ThreadPoolExecutor(1, "etc-edge results")
        try:
            while True:
                # A StopIteration cannot pass through a future.
                result = await loop.run_in_executor(worker, next, self._results, None)
                if result is None:
                    return
                yield result
        finally:
            self._stop()
            worker.submit(self._results.close)
            await loop.run_in_executor(None, worker.shutdown)

    def stop(self) -> None:
        """End after the result at hand; any thread may call it."""
        self._stop()

    def close(self) -> None:
        """End it and free what it holds, from the thread that iterates; closing twice does no harm."""
        self._stop()
        self._results.close()

    def __enter__(self) -> Results[T]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
