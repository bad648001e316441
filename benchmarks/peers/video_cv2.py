"""The peer's part: label a video with cv2, OpenVINO and numpy, and write it with colours laid over.

Run by the Python of the peer's own environment: `video_cv2.py MODEL VIDEO FRAMES THREADS REPORT`.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path

# What is measured here shall not be reported to the vendor.
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]

import cv2  # noqa: E402
import numpy as np  # noqa: E402
import openvino  # noqa: E402


def label(model: str, video: str, frames: int, threads: int, out: str) -> tuple[int, float]:
    """Frames that were labelled and written, and the seconds that it took."""
    compiled = openvino.Core().compile_model(
        model,
        "CPU",
        {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": str(threads), "INFERENCE_PRECISION_HINT": "f32"},
    )
    request = compiled.create_infer_request()
    _, height, width, _ = compiled.input(0).shape
    palette = np.random.default_rng(0).integers(0, 256, (256, 3), dtype=np.uint8)
    request.infer([np.zeros((1, height, width, 3), np.uint8)])
    capture = cv2.VideoCapture(video)
    size = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
    writer = cv2.VideoWriter(out, cv2.VideoWriter_fourcc(*"mp4v"), capture.get(cv2.CAP_PROP_FPS), size)
    done, begun = 0, time.perf_counter()
    while done < frames:
        there, image = capture.read()
        if not there:
            break
        frame = cv2.cvtColor(cv2.resize(image, (width, height)), cv2.COLOR_BGR2RGB)
        request.infer([frame[None]])
        labels = cv2.resize(request.get_output_tensor(0).data[0], size, interpolation=cv2.INTER_NEAREST)
        writer.write(cv2.addWeighted(image, 0.5, palette[labels], 0.5, 0))
        done += 1
    writer.release()
    return done, time.perf_counter() - begun


def main() -> None:
    """Label, and report frames, seconds and versions."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("model", "video", "frames", "threads", "report"):
        parser.add_argument(name, type=int if name in ("frames", "threads") else str)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        done, seconds = label(given.model, given.video, given.frames, given.threads, str(Path(folder) / "out.mp4"))
    versions = {name: metadata.version(name) for name in ("openvino", "opencv-python-headless")}
    Path(given.report).write_text(json.dumps({"frames": done, "seconds": seconds, "versions": versions}))


if __name__ == "__main__":
    main()
