"""The peer's part: quantize a deployed FP32 graph with onnxruntime.quantization, u8s8, per channel, as Q/DQ pairs.

Run by the Python of the peer's own environment: `quantize_onnxruntime.py MODEL FRAMES OUT REPORT [--float-head]`.
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
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process


class Frames(CalibrationDataReader):
    """Frames one at a time, as the deployed graph takes them."""

    def __init__(self, frames: np.ndarray) -> None:
        self._frames = iter(frames)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next frame, or None at the end."""
        frame = next(self._frames, None)
        return None if frame is None else {"frame": np.ascontiguousarray(frame[None])}


def peak_memory_bytes() -> int:
    """Resident memory of this process at its highest."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main() -> None:
    """Quantize, and report seconds, memory and versions."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("model", "frames", "out", "report"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--float-head", action="store_true", help="preprocessing and labels head stay in float")
    arguments = parser.parse_args()
    frames = np.load(arguments.frames, mmap_mode="r")
    prepared = arguments.out.with_suffix(".prepared.onnx")
    begun = time.perf_counter()
    quant_pre_process(str(arguments.model), str(prepared))
    excluded = []
    if arguments.float_head:
        nodes = onnx.load(str(prepared), load_external_data=False).graph.node
        excluded = [node.name for node in nodes if node.name.startswith(("preprocess_", "head_"))]
    quantize_static(
        str(prepared),
        str(arguments.out),
        Frames(frames),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        nodes_to_exclude=excluded,
    )
    seconds = time.perf_counter() - begun
    prepared.unlink()
    found = {
        "seconds": seconds,
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        * (1024 if sys.platform != "darwin" else 1),
        "versions": {name: metadata.version(name) for name in ("onnxruntime", "onnx")},
    }
    arguments.report.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
