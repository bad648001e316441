"""Figures of each frame, one JSON object a line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import msgspec

from etc_edge.core.errors import SinkError
from etc_edge.core.labels import LabelSet
from etc_edge.frames.frame import SegmentedFrame
from etc_edge.frames.overlay import class_shares
from etc_edge.frames.pending import Pending, failure
from etc_edge.frames.sink import Sink


class JsonlSink(Sink):
    """Writes `index`, `timestamp_s`, `latency_ms` and `shares` (by class name, of the pixels) of each frame.

    The file appears under its name when it is closed.

    Args:
        path: where to.
        label_set: names of the classes.
        more: further figures of a result, by name; called in order, from the sink's thread.

    Raises:
        SinkError: the file cannot be made.
    """

    def __init__(
        self, path: Path, label_set: LabelSet, more: Callable[[SegmentedFrame], Mapping[str, Any]] | None = None
    ) -> None:
        self.path = Path(path)
        self._names = label_set.names
        self._more = more
        self._pending = Pending(self.path)
        try:
            self._file: IO[bytes] | None = self._pending.temporary.open("wb")
        except OSError as error:
            self._pending.discard()
            raise failure(self.path, error) from error

    def write(self, result: SegmentedFrame) -> None:
        """See Sink."""
        if self._file is None:
            raise SinkError(f"Found {self.path} closed, expected it open.")
        shares = class_shares(result.labels, len(self._names))
        line: dict[str, Any] = {
            "index": result.index,
            "timestamp_s": round(result.timestamp_s, 6),
            "latency_ms": round(result.latency_ms, 3),
            "shares": {name: round(float(share), 5) for name, share in zip(self._names, shares, strict=True)},
            **(self._more(result) if self._more is not None else {}),
        }
        try:
            self._file.write(msgspec.json.encode(line) + b"\n")
        except OSError as error:
            self.abort()
            raise failure(self.path, error) from error

    def close(self) -> None:
        """See Sink."""
        if self._file is None:
            return
        file, self._file = self._file, None
        try:
            file.close()
        except OSError as error:
            self._pending.discard()
            raise failure(self.path, error) from error
        self._pending.keep()

    def abort(self) -> None:
        """See Sink."""
        if self._file is None:
            return
        file, self._file = self._file, None
        with suppress(OSError):
            file.close()
        self._pending.discard()
