"""The picture of the README: the shipped network, in INT8, on the synthetic street. python docs/street_gif.py"""

from __future__ import annotations

import sys
import tempfile
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from etc_edge.core.atomic import atomic_file
from etc_edge.frames.overlay import blend
from etc_edge.quantization.recipe import CalibrationRecipe, QuantizeRecipe
from etc_edge.runtime import Segmenter
from etc_edge.stages.demo import CALIBRATION, MODEL
from etc_edge.stages.quantize import quantize

SOURCE = "synthetic:street?size=288x512&seed=42&frames=45&fps=15"
SIZE_WH = (320, 180)
EVERY = 2  # frames of the street for one of the picture
BEAT = Fraction(EVERY, 15)  # seconds a picture
COLORS = 64


def pictures() -> list[np.ndarray]:
    """What the camera sees beside what the network makes of it, uint8 (H, 2 W, 3)."""
    with tempfile.TemporaryDirectory() as folder:
        int8 = Path(folder) / "street-int8.etc"
        quantize(MODEL, int8, QuantizeRecipe(calibration=CalibrationRecipe(split="train", frames=48)), CALIBRATION)
        with Segmenter.load(int8, target="onnxruntime") as segmenter:
            palette = segmenter.label_set.palette_rgb()
            found = []
            for result in segmenter.stream(SOURCE):
                if result.index % EVERY == 0:
                    seen = result.frame.image_rgb
                    labelled = blend(seen, result.labels, palette, 0.75)
                    sides = [cv2.resize(side, SIZE_WH, interpolation=cv2.INTER_AREA) for side in (seen, labelled)]
                    found.append(np.hstack(sides))
            return found


def write_gif(path: Path, images: list[np.ndarray]) -> None:
    """Write an endless GIF of one palette for all pictures, so that still areas cost nothing."""
    height, width, _ = images[0].shape
    with atomic_file(path) as unfinished, av.open(str(unfinished), "w", format="gif") as container:
        stream = container.add_stream("gif", rate=1 / BEAT)
        stream.width, stream.height, stream.pix_fmt = width, height, "pal8"
        graph = av.filter.Graph()
        source = graph.add_buffer(width=width, height=height, format="rgb24", time_base=BEAT)
        split = graph.add("split")
        colors = graph.add("palettegen", f"max_colors={COLORS}")
        use = graph.add("paletteuse", "dither=none:diff_mode=rectangle")
        sink = graph.add("buffersink")
        source.link_to(split)
        split.link_to(use, 0, 0)
        split.link_to(colors, 1, 0)
        colors.link_to(use, 0, 1)
        use.link_to(sink)
        graph.configure()
        for number, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = number
            graph.push(frame)
        graph.push(None)
        for number in range(len(images)):
            frame = graph.pull()
            frame.pts, frame.time_base = number, BEAT
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "street.gif"
    write_gif(target, pictures())
    sys.stdout.write(f"{target}: {target.stat().st_size:,} bytes\n")
