"""Backends that live outside the table: one that works, and many ways to fail."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

from etc_edge.backends.base import Engine, EngineOptions, check_frame
from etc_edge.core.bundle import Bundle
from etc_edge.core.errors import DependencyError

UInt8 = npt.NDArray[np.uint8]


class RecallingEngine:
    """Knows the labels of the bundle's self-test frames by heart: fast to load, and right where it is asked."""

    def __init__(self, path: Path, threads: int) -> None:
        self.threads = threads
        with np.load(path) as data:
            self._frames, self._labels = data["frames"], data["labels"]
        self.size_hw = (self._labels.shape[1], self._labels.shape[2])

    def run(self, frame_rgb: UInt8) -> UInt8:
        """See Engine."""
        check_frame(frame_rgb, self.size_hw)
        equal = (self._frames == frame_rgb).all(axis=(1, 2, 3))
        labels: UInt8 = self._labels[equal.argmax()].copy()
        return labels

    def close(self) -> None:
        """See Engine."""


class Recalling:
    """A backend that works; it appends a line to the file `$RECALLING_COMPILES` at every compilation."""

    def version(self) -> str:
        """See Compiler."""
        return os.environ.get("RECALLING_VERSION", "1")

    def device(self) -> str:
        """See Compiler."""
        return os.environ.get("RECALLING_DEVICE", "any processor")

    def compile(self, bundle: Bundle, folder: Path, options: EngineOptions) -> None:
        """See Compiler."""
        if counter := os.environ.get("RECALLING_COMPILES"):
            with Path(counter).open("a") as file:
                file.write("compiled\n")
        shutil.copyfile(bundle.selftest_path, folder / "recalled.npz")

    def load(self, folder: Path, options: EngineOptions) -> Engine:
        """See Compiler."""
        return RecallingEngine(folder / "recalled.npz", options.threads)


class CrashesCompiling(Recalling):
    """Dies of a segmentation fault in the compiler."""

    def compile(self, bundle: Bundle, folder: Path, options: EngineOptions) -> None:
        """See Compiler."""
        (folder / "half-written.bin").write_bytes(b"half")
        os.kill(os.getpid(), signal.SIGSEGV)


class CrashesLoading(Recalling):
    """Compiles, and dies of an abort when the result is loaded."""

    def load(self, folder: Path, options: EngineOptions) -> Engine:
        """See Compiler."""
        os.abort()


class OutOfMemory(Recalling):
    """Is killed as the kernel does when memory runs out."""

    def compile(self, bundle: Bundle, folder: Path, options: EngineOptions) -> None:
        """See Compiler."""
        os.kill(os.getpid(), signal.SIGKILL)


class Hangs(Recalling):
    """Never comes back; says its process id in the file `$HANGING_PROCESS`."""

    def compile(self, bundle: Bundle, folder: Path, options: EngineOptions) -> None:
        """See Compiler."""
        if note := os.environ.get("HANGING_PROCESS"):
            unfinished = Path(note).with_suffix(".part")
            unfinished.write_text(str(os.getpid()))
            unfinished.replace(note)
        time.sleep(600)


class Exits(Recalling):
    """Leaves the process, as some libraries do on a missing licence."""

    def compile(self, bundle: Bundle, folder: Path, options: EngineOptions) -> None:
        """See Compiler."""
        sys.stderr.write("no licence found\n")
        sys.stderr.flush()
        os._exit(3)


class Raises(Recalling):
    """Raises an exception that is none of ours."""

    def compile(self, bundle: Bundle, folder: Path, options: EngineOptions) -> None:
        """See Compiler."""
        raise RuntimeError("unsupported operator: Warp")


class Missing(Recalling):
    """Is not installed."""

    def version(self) -> str:
        """See Compiler."""
        raise DependencyError("Found no package 'other'.", 'Try: pip install "etc-edge[other]"')


class NeedsMoreToCompile(Recalling):
    """Could run what is compiled already, and cannot compile."""

    def compile(self, bundle: Bundle, folder: Path, options: EngineOptions) -> None:
        """See Compiler."""
        raise DependencyError("Found no package 'other'.", 'Try: pip install "etc-edge[other]"')


class _WrongLabels(RecallingEngine):
    def run(self, frame_rgb: UInt8) -> UInt8:
        labels = super().run(frame_rgb)
        labels[:, : labels.shape[1] // 20] = 2
        return labels


class WrongLabels(Recalling):
    """Labels one column in twenty as it pleases."""

    def load(self, folder: Path, options: EngineOptions) -> Engine:
        """See Compiler."""
        return _WrongLabels(folder / "recalled.npz", options.threads)


class _SlowEngine(RecallingEngine):
    def run(self, frame_rgb: UInt8) -> UInt8:
        time.sleep(0.05)
        return super().run(frame_rgb)


class Slow(Recalling):
    """Works and takes its time."""

    def load(self, folder: Path, options: EngineOptions) -> Engine:
        """See Compiler."""
        return _SlowEngine(folder / "recalled.npz", options.threads)


def named(backend: type[Recalling]) -> str:
    """`module:Class` of one of these backends."""
    return f"{backend.__module__}:{backend.__qualname__}"
