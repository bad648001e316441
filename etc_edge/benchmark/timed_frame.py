"""One frame through an engine with a clock at every step."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from etc_edge.backends.base import Engine, StagedEngine
from etc_edge.frames.preprocess import fit_frame, fit_labels

UInt8 = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class TimedFrame:
    """Milliseconds of a frame.

    Args:
        preprocess_ms: to the network's size.
        infer_ms: from a frame of that size to labels of that size, copies included.
        postprocess_ms: labels to the frame's size.
        engine_ms: the network alone, on a frame that lies in its memory; None where the engine has no such step.
        cpu_ms: processor time that all threads of the process took meanwhile.
    """

    preprocess_ms: float
    infer_ms: float
    postprocess_ms: float
    engine_ms: float | None
    cpu_ms: float

    @property
    def latency_ms(self) -> float:
        """From the frame in hand to its labels in hand."""
        return self.preprocess_ms + self.infer_ms + self.postprocess_ms

    @property
    def cores(self) -> float:
        """How many cores it was given, on average."""
        return self.cpu_ms / self.latency_ms


def time_frame(engine: Engine, image_rgb: UInt8) -> TimedFrame:
    """Label a frame, as `Segmenter.segment` does, and time every step.

    Args:
        engine: ready to run.
        image_rgb: uint8 (H, W, 3) of any size.
    """
    cpu_s = time.process_time()
    begun = time.perf_counter()
    fitted = fit_frame(image_rgb, engine.size_hw)
    prepared = time.perf_counter()
    network_ms = None
    if isinstance(engine, StagedEngine):
        engine.put(fitted)
        copied = time.perf_counter()
        engine.execute()
        network_ms = (time.perf_counter() - copied) * 1e3
        labels = engine.take()
    else:
        labels = engine.run(fitted)
    inferred = time.perf_counter()
    height, width = image_rgb.shape[:2]
    fit_labels(labels, (height, width))
    done = time.perf_counter()
    return TimedFrame(
        preprocess_ms=(prepared - begun) * 1e3,
        infer_ms=(inferred - prepared) * 1e3,
        postprocess_ms=(done - inferred) * 1e3,
        engine_ms=network_ms,
        cpu_ms=(time.process_time() - cpu_s) * 1e3,
    )
