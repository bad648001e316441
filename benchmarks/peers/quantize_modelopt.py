"""The peer's part: quantize a deployed FP32 graph with modelopt.onnx, INT8 as Q/DQ pairs, the rest in float32.

Run by the Python of the peer's own environment: `quantize_modelopt.py MODEL FRAMES OUT REPORT [--method NAME]`.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from importlib import metadata
from pathlib import Path

import numpy as np
from modelopt.onnx.quantization import quantize
from onnxruntime.quantization import CalibrationDataReader


class Frames(CalibrationDataReader):
    """Frames one at a time, as the deployed graph takes them."""

    def __init__(self, frames: np.ndarray) -> None:
        self._frames = frames
        self.rewind()

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next frame, or None at the end."""
        frame = next(self._rest, None)
        return None if frame is None else {"frame": np.ascontiguousarray(frame[None])}

    def get_first(self) -> dict[str, np.ndarray]:
        """The first frame, without going on."""
        return {"frame": np.ascontiguousarray(self._frames[0][None])}

    def rewind(self) -> None:
        """Begin again."""
        self._rest = iter(self._frames)


def peak_memory_bytes() -> int:
    """Resident memory of this process at its highest."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main() -> None:
    """Quantize, and report seconds, memory and versions."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("model", "frames", "out", "report"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--method", choices=["max", "entropy"], help="left out, its own default, which is entropy")
    arguments = parser.parse_args()
    frames = np.load(arguments.frames, mmap_mode="r")
    begun = time.perf_counter()
    quantize(
        str(arguments.model),
        quantize_mode="int8",
        calibration_data_reader=Frames(frames),
        calibration_method=arguments.method,
        calibration_eps=["cpu"],
        high_precision_dtype="fp32",
        output_path=str(arguments.out),
        log_level="ERROR",
    )
    seconds = time.perf_counter() - begun
    found = {
        "seconds": seconds,
        "peak_memory_bytes": peak_memory_bytes(),
        "versions": {
            "modelopt": metadata.version("nvidia-modelopt"),
            "onnxruntime": metadata.version("onnxruntime"),
        },
    }
    arguments.report.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
