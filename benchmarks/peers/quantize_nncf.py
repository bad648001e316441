"""The peer's part: quantize a deployed FP32 graph with nncf.quantize for OpenVINO.

Run by the Python of the peer's own environment: `quantize_nncf.py MODEL FRAMES OUT REPORT [--preset NAME]`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from importlib import metadata
from pathlib import Path

# Neither package shall report what is measured here to its vendor.
os.environ["NNCF_CI"] = "1"
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]

import nncf  # noqa: E402
import numpy as np  # noqa: E402
import openvino  # noqa: E402


def peak_memory_bytes() -> int:
    """Resident memory of this process at its highest."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main() -> None:
    """Quantize, and report seconds, memory and versions."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("model", "frames", "out", "report"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--preset", choices=["performance", "mixed"], help="left out, NNCF's own default")
    arguments = parser.parse_args()
    frames = np.load(arguments.frames, mmap_mode="r")
    preset = None if arguments.preset is None else nncf.QuantizationPreset(arguments.preset)
    begun = time.perf_counter()
    model = openvino.Core().read_model(str(arguments.model))
    dataset = nncf.Dataset(range(len(frames)), lambda number: {"frame": np.ascontiguousarray(frames[number][None])})
    quantized = nncf.quantize(model, dataset, preset=preset, subset_size=len(frames))
    openvino.save_model(quantized, str(arguments.out), compress_to_fp16=False)
    seconds = time.perf_counter() - begun
    found = {
        "seconds": seconds,
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        * (1024 if sys.platform != "darwin" else 1),
        "versions": {name: metadata.version(name) for name in ("nncf", "openvino")},
    }
    arguments.report.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
