"""The peer's part: quantize a deployed FP32 graph with NNCF for OpenVINO, as it is or with accuracy control.

Run by the Python of the peer's own environment: `quantize_nncf.py MODEL FRAMES OUT REPORT [--preset NAME]
[--max-miou-drop FRACTION --judge FRAMES]`. Accuracy control judges on frames that it does not calibrate on, with labels
beside them.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

# Neither package shall report what is measured here to its vendor.
os.environ["NNCF_CI"] = "1"
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]

import nncf  # noqa: E402
import numpy as np  # noqa: E402
import openvino  # noqa: E402

VOID = 255


def peak_memory_bytes() -> int:
    """Resident memory of this process at its highest."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


class Labelled:
    """Frames (1, H, W, 3) with their labels (H, W), read when they are asked for."""

    def __init__(self, frames: np.ndarray, truth: np.ndarray) -> None:
        self._frames, self._truth = frames, truth

    def __len__(self) -> int:
        return len(self._frames)

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for frame, labels in zip(self._frames, self._truth, strict=True):
            yield np.ascontiguousarray(frame[None]), np.array(labels)


def miou(model: openvino.CompiledModel, items: Iterable[tuple[np.ndarray, np.ndarray]]) -> float:
    """Mean intersection over union of the classes that occur; items are frame (1, H, W, 3) and labels (H, W)."""
    counts = np.zeros((256, 256), np.int64)
    for frame, truth in items:
        labels = np.asarray(model([frame])[0]).reshape(truth.shape)
        seen = truth != VOID
        pairs = truth[seen].astype(np.int64) * 256 + labels[seen]
        counts += np.bincount(pairs, minlength=256 * 256).reshape(256, 256)
    hit, union = counts.diagonal(), counts.sum(0) + counts.sum(1) - counts.diagonal()
    return float((hit[union > 0] / union[union > 0]).mean())


def main() -> None:
    """Quantize, and report seconds, memory and versions."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("model", "frames", "out", "report"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--preset", choices=["performance", "mixed"], help="left out, NNCF's own default")
    parser.add_argument("--max-miou-drop", type=float, help="accuracy control: the most that may be lost, a fraction")
    parser.add_argument("--judge", type=Path, help="accuracy control: the frames that it is judged on")
    arguments = parser.parse_args()
    frames = np.load(arguments.frames, mmap_mode="r")
    preset = None if arguments.preset is None else nncf.QuantizationPreset(arguments.preset)
    begun = time.perf_counter()
    model = openvino.Core().read_model(str(arguments.model))
    dataset = nncf.Dataset(range(len(frames)), lambda number: {"frame": np.ascontiguousarray(frames[number][None])})
    if arguments.max_miou_drop is None:
        quantized = nncf.quantize(model, dataset, preset=preset, subset_size=len(frames))
    else:
        judged = np.load(arguments.judge, mmap_mode="r")
        truth = np.load(arguments.judge.with_suffix(".labels.npy"), mmap_mode="r")
        labelled = nncf.Dataset(Labelled(judged, truth), lambda item: {"frame": item[0]})
        quantized = nncf.quantize_with_accuracy_control(
            model,
            calibration_dataset=dataset,
            validation_dataset=labelled,
            validation_fn=miou,
            max_drop=arguments.max_miou_drop,
            preset=preset,
            subset_size=len(frames),
        )
    openvino.save_model(quantized, str(arguments.out), compress_to_fp16=False)
    seconds = time.perf_counter() - begun
    found = {
        "seconds": seconds,
        "peak_memory_bytes": peak_memory_bytes(),
        "versions": {name: metadata.version(name) for name in ("nncf", "openvino")},
    }
    arguments.report.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
