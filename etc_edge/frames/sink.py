"""Where results go: one protocol."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, TypeVar

from etc_edge.frames.frame import SegmentedFrame

SinkT = TypeVar("SinkT", bound="Sink")


class Sink(Protocol):
    """Takes results in order, from one thread.

    As a context manager it is closed when the block ends and also on Ctrl-C, so that what was written until then
    can be used; any other exception aborts it.

    Attributes:
        live: whether results are for now only: where it is too slow, older ones give way instead of being waited for.
    """

    live: bool = False

    def write(self, result: SegmentedFrame) -> None:
        """Take one result.

        Raises:
            SinkError: it cannot be written.
        """

    def close(self) -> None:
        """Finish what was written; it appears under its name. Closing twice does no harm.

        Raises:
            SinkError: it cannot be finished.
        """

    def abort(self) -> None:
        """Remove what was written; what stood under the name before stays. After `close` it does nothing."""

    def __enter__(self: SinkT) -> SinkT:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None or issubclass(kind, KeyboardInterrupt):
            self.close()
        else:
            self.abort()


class NullSink(Sink):
    """Takes results and does nothing but count them."""

    def __init__(self) -> None:
        self.frames = 0

    def write(self, result: SegmentedFrame) -> None:
        """See Sink."""
        self.frames += 1

    def close(self) -> None:
        """See Sink."""

    def abort(self) -> None:
        """See Sink."""
