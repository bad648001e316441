"""What takes part in a benchmark: a compiled form, its threads and the frames that it is given."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from etc_edge.backends.base import Engine
from etc_edge.backends.compiled import Compiled
from etc_edge.benchmark.timed_frame import TimedFrame, time_frame

UInt8 = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Contender:
    """A compiled form that is loaded as often as is needed.

    Args:
        path: the bundle or compiled form that it was made from.
        compiled: the compiled form.
        threads: processor threads of one inference; None takes what it was compiled with.
        images: uint8 (H, W, 3) frames, used in turn.
    """

    path: Path
    compiled: Compiled
    threads: int | None
    images: Sequence[UInt8]

    @contextmanager
    def loaded(self, threads: int | None = None) -> Iterator[Engine]:
        """An engine of its own, with other threads where they are given."""
        engine = self.compiled.load(self.threads if threads is None else threads)
        try:
            yield engine
        finally:
            engine.close()

    def call(self, engine: Engine) -> Callable[[int], TimedFrame]:
        """Times the frame of a number on a loaded engine."""
        return lambda number: time_frame(engine, self.images[number % len(self.images)])

    def engine_name(self, threads: int) -> str:
        """The engine in words: backend, version and threads."""
        manifest = self.compiled.manifest
        return f"{manifest.backend} {manifest.backend_version}, {threads} thread{'s' if threads != 1 else ''}"
