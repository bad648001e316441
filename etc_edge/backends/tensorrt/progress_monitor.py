"""The builder's progress as ours; TensorRT reports it from 10 on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import SupportsInt

import tensorrt as trt

from etc_edge.backends.tensorrt.phases import Phases
from etc_edge.core.progress import Progress


@contextmanager
def reported(config: trt.IBuilderConfig, progress: Progress) -> Iterator[None]:
    """Report a build in the block to `progress`, where this TensorRT can."""
    phases = Phases(progress)
    try:
        if hasattr(trt, "IProgressMonitor") and hasattr(config, "progress_monitor"):

            class Monitor(trt.IProgressMonitor):  # type: ignore[misc, name-defined, unused-ignore]
                def __init__(self) -> None:
                    super().__init__()

                def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: SupportsInt) -> None:
                    phases.begin(phase_name, parent_phase, int(num_steps))

                def step_complete(self, phase_name: str, step: SupportsInt) -> bool:
                    phases.step(phase_name, int(step))
                    return True

                def phase_finish(self, phase_name: str) -> None:
                    phases.finish(phase_name)

            # The builder does not keep it alive; this name does until the block ends.
            monitor = Monitor()
            config.progress_monitor = monitor
        yield
    finally:
        phases.close()
