"""Our end of a shadow model's process."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from typing import IO, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from etc_edge.core import errors
from etc_edge.core.child_process import start_answering
from etc_edge.core.errors import EngineError
from etc_edge.runtime.preview.shadow_process import FrameHeader, Labels, Loaded, Order

T = TypeVar("T", bound=msgspec.Struct)

UInt8 = npt.NDArray[np.uint8]


class ShadowChild:
    """A process that has loaded a model and labels frames; one thread asks, any may end it.

    Args:
        order: what it loads.

    Attributes:
        loaded: the model's name and classes.

    Raises:
        EtcEdgeError: the model cannot be loaded.
    """

    def __init__(self, order: Order) -> None:
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._process, self._requests, self._answers = start_answering(
            "etc_edge.runtime.preview.shadow_process", self._log
        )
        try:
            self._send(order)
            self.loaded = self._receive(Loaded)
            if self.loaded.error is not None:
                raise getattr(errors, self.loaded.error)(self.loaded.message, self.loaded.hint)
        except BaseException:
            self.kill()
            self.close()
            raise

    def label(self, frame_rgb: UInt8) -> tuple[UInt8, float]:
        """Label one frame uint8 (H, W, 3).

        Returns:
            uint8 (H, W), and the processor seconds of it.

        Raises:
            EngineError: the process has ended.
        """
        height, width, _ = frame_rgb.shape
        self._send(FrameHeader((height, width)), np.ascontiguousarray(frame_rgb).data)
        cpu_s = self._receive(Labels).cpu_s
        data = self._answers.read(height * width)
        if len(data) < height * width:
            raise self._death()
        return np.frombuffer(data, np.uint8).reshape(height, width), cpu_s

    def kill(self) -> None:
        """End the process at once; who waits for its answer gets an error."""
        self._process.kill()

    def close(self) -> None:
        """Free what belongs to a process that was ended, when nobody asks any more."""
        self._process.wait()
        for pipe in (self._requests, self._answers, self._log):
            with suppress(BrokenPipeError):
                pipe.close()

    def _send(self, message: msgspec.Struct, data: memoryview | bytes = b"") -> None:
        try:
            self._requests.write(msgspec.json.encode(message) + b"\n")
            self._requests.write(data)
            self._requests.flush()
        except OSError as error:
            raise self._death() from error

    def _receive(self, kind: type[T]) -> T:
        line = self._answers.readline()
        if not line:
            raise self._death()
        return msgspec.json.decode(line, type=kind)

    def _death(self) -> EngineError:
        code = self._process.wait()
        self._log.seek(0)
        lines = [line for line in self._log.read().decode(errors="replace").splitlines() if line.strip()]
        reason = lines[-1].strip() if lines else "it said nothing"
        return EngineError(f"Found the shadow model's process ended with code {code}: {reason}.")
