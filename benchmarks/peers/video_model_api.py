"""The peer's part: label a video with OpenVINO Model API, and write nothing.

Run by the Python of the peer's own environment: `video_model_api.py MODEL VIDEO FRAMES THREADS REPORT`.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from importlib import metadata
from pathlib import Path

# What is measured here shall not be reported to the vendor.
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]

import cv2  # noqa: E402
import openvino  # noqa: E402
from model_api.adapters import OpenvinoAdapter  # noqa: E402
from model_api.models import SegmentationModel  # noqa: E402


def label(model: str, video: str, frames: int, threads: int) -> tuple[int, float]:
    """Frames that were labelled, and the seconds that it took."""
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": str(threads),
        "INFERENCE_PRECISION_HINT": "f32",
    }
    adapter = OpenvinoAdapter(
        openvino.Core(),
        model,
        model_parameters={"input_layouts": "frame:NHWC"},
        device="CPU",
        plugin_config=settings,
        max_num_requests=1,
    )
    # The graph takes red first and normalises by itself; cv2 gives blue first.
    configuration = {"reverse_input_channels": True, "return_soft_prediction": False, "blur_strength": -1}
    network = SegmentationModel.create_model(adapter, model_type="Segmentation", configuration=configuration)
    capture = cv2.VideoCapture(video)
    network(capture.read()[1])
    capture.set(cv2.CAP_PROP_POS_FRAMES, 0)
    done, begun = 0, time.perf_counter()
    while done < frames:
        there, image = capture.read()
        if not there:
            break
        network(image)
        done += 1
    return done, time.perf_counter() - begun


def main() -> None:
    """Label, and report frames, seconds and versions."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("model", "video", "frames", "threads", "report"):
        parser.add_argument(name, type=int if name in ("frames", "threads") else str)
    given = parser.parse_args()
    done, seconds = label(given.model, given.video, given.frames, given.threads)
    versions = {name: metadata.version(name) for name in ("openvino", "openvino-model-api")}
    Path(given.report).write_text(json.dumps({"frames": done, "seconds": seconds, "versions": versions}))


if __name__ == "__main__":
    main()
