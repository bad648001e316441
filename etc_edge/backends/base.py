"""The two roles of a backend: a compiler that turns a bundle into files, and an engine that runs them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from etc_edge.core.bundle import Bundle
from etc_edge.core.errors import EngineError

UInt8 = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """What the user may choose about an engine.

    Args:
        threads: processor threads that one inference uses.
        precision: `int8`, `fp8`, `fp16` or `fp32`; None takes what the bundle is made for.
        dla_core: the deep learning accelerator of a Jetson that runs it; None takes the GPU.
        workspace_mib: most device memory, in MiB, that a layer may use for scratch; None leaves it to the vendor.
        optimization_level: 0 builds fast, 5 searches longest for fast kernels; None takes the vendor's default.
        version_compatible: also runs with later versions of the vendor's library, at some cost in speed.
        hardware_compatible: also runs on later GPUs than this one, at some cost in speed.
    """

    threads: int
    precision: str | None = None
    dla_core: int | None = None
    workspace_mib: int | None = None
    optimization_level: int | None = None
    version_compatible: bool = False
    hardware_compatible: bool = False

    def __post_init__(self) -> None:
        if self.threads < 1:
            raise EngineError(f"Found {self.threads} threads, expected 1 or more.")

    def beyond_threads(self) -> dict[str, str | int | bool]:
        """Choices other than `threads` that were made."""
        made = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "threads"}
        return {name: value for name, value in made.items() if value not in (None, False)}


@dataclass(frozen=True, slots=True)
class Build:
    """What a compiler says of what it made.

    Args:
        precision: the one that labels must be held to: `fp16` differs from the bundle's labels where classes are close.
        note: for the user, in a few words; "" where the bundle says it all.
    """

    precision: Literal["fp32", "fp16", "int8"]
    note: str = ""


class Engine(Protocol):
    """A loaded network. One thread at a time may use it."""

    @property
    def threads(self) -> int:
        """Processor threads that one inference uses."""

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width of the frames that `run` takes."""

    def run(self, frame_rgb: UInt8) -> UInt8:
        """Segment one frame.

        Args:
            frame_rgb: uint8 (H, W, 3) of `size_hw`.

        Returns:
            uint8 (H, W), a fresh array that the caller owns.

        Raises:
            EngineError: the frame has another shape or dtype, the engine is closed, or the vendor's runtime failed.
        """

    def close(self) -> None:
        """Free what the engine holds; closing twice does no harm."""


@runtime_checkable
class StagedEngine(Engine, Protocol):
    """An engine whose three steps can be timed by themselves; `run` does one after the other."""

    def put(self, frame_rgb: UInt8) -> None:
        """Copy a frame, as `run` takes it, to where the network reads it."""

    def execute(self) -> None:
        """Run the network on the frame that lies there, to its end."""

    def take(self) -> UInt8:
        """Labels of that frame, as `run` returns them: what is left to do after the network, and a copy."""


class Compiler(Protocol):
    """One vendor's way from a bundle to an engine.

    A row of `table.BACKENDS` names a class with this role; it is made without arguments. `compile` and the first
    `load` of what it wrote are called in a child process, so they may crash.
    """

    def version(self) -> str:
        """Version of the vendor's runtime, found without importing it.

        Raises:
            DependencyError: it is not installed.
        """

    def device(self) -> str:
        """The device that compiled files are bound to, in words; files made for another are never loaded."""

    def compile(self, bundle: Bundle, folder: Path, options: EngineOptions) -> Build | None:
        """Write the compiled form of a bundle into an existing, empty folder.

        Returns:
            what is particular to it, or None where it is what the bundle is.

        Raises:
            CompileError: the vendor's compiler refused the graph.
            DependencyError: a package that compiling needs is not installed.
        """

    def load(self, folder: Path, options: EngineOptions) -> Engine:
        """Load what `compile` wrote.

        Raises:
            EngineError: the vendor's runtime refused the files.
            DependencyError: the vendor's runtime is not installed.
        """


def check_frame(frame_rgb: UInt8, size_hw: tuple[int, int]) -> None:
    """Refuse a frame that does not fit an engine's input.

    Raises:
        EngineError: another shape or dtype.
    """
    expected = (*size_hw, 3)
    if frame_rgb.shape != expected or frame_rgb.dtype != np.uint8:
        raise EngineError(f"Found a frame {frame_rgb.dtype} {frame_rgb.shape}, expected uint8 {expected}.")
