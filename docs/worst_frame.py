"""The still picture of the README: where INT8 strays most on the synthetic street. python docs/worst_frame.py"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

from etc_edge.core.atomic import atomic_file
from etc_edge.quantization.recipe import CalibrationRecipe, QuantizeRecipe
from etc_edge.stages.demo import CALIBRATION, MODEL
from etc_edge.stages.evaluate import evaluate
from etc_edge.stages.quantize import quantize

DATA = "synthetic:street?size=288x512&seed=23&frames=12&val=2"
SIZE_WH = (240, 135)
SIDES = 5  # frame, truth, FP32, INT8, difference


def strip() -> np.ndarray:
    """The worst frame of `evaluate --pictures`, side by side, uint8 (H, 5 W, 3), blue first."""
    with tempfile.TemporaryDirectory() as folder:
        int8, pictures = Path(folder) / "street-int8.etc", Path(folder) / "pictures"
        quantize(MODEL, int8, QuantizeRecipe(calibration=CalibrationRecipe(split="train", frames=48)), CALIBRATION)
        evaluate(int8, DATA, "val", MODEL, "onnxruntime", pictures=pictures)
        sides = []
        for place in range(SIDES):
            (file,) = pictures.glob(f"worst-0-{place}.*")
            side = cv2.resize(cv2.imread(str(file)), SIZE_WH, interpolation=cv2.INTER_AREA)
            gap = 4 if place < SIDES - 1 else 0
            sides.append(cv2.copyMakeBorder(side, 0, 0, 0, gap, cv2.BORDER_CONSTANT, value=(255,) * 3))
        return np.hstack(sides)


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "worst_frame.png"
    with atomic_file(target) as unfinished:
        unfinished.write_bytes(cv2.imencode(".png", strip(), [cv2.IMWRITE_PNG_COMPRESSION, 9])[1].tobytes())
    sys.stdout.write(f"{target}: {target.stat().st_size:,} bytes\n")
