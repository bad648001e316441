"""What the pipeline adds to a live frame's latency, over the time of its engine.

python benchmarks/added_latency.py INT8.etc --source drive.mp4 --json added_latency.json
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path
from statistics import median
from threading import Event

import click
import numpy as np
import numpy.typing as npt
from measuring.command import Benchmark, keep_to_cores, threads_and_json
from measuring.record import Goal, Record, Table, Watch, finish

from etc_edge.core.errors import SourceError
from etc_edge.core.progress import console_progress
from etc_edge.frames.frame import Frame
from etc_edge.frames.preprocess import fit_frame
from etc_edge.frames.source import Source, open_source
from etc_edge.runtime.pipeline import Pipeline
from etc_edge.runtime.segmenter import Segmented, Segmenter

UInt8 = npt.NDArray[np.uint8]

ADDED_GOAL_MS = 2.0
FRAMES_HELD = 32
WARM_UP = 30


class Camera(Source):
    """Frames at an even pace, whether anybody takes them or not; `came_s` says when each one came."""

    def __init__(self, images: list[UInt8], fps: float) -> None:
        self.name, self.frame_count, self.live = "camera", None, True
        self.size_hw, self.fps = (images[0].shape[0], images[0].shape[1]), Fraction(fps)
        self._images, self._period_s, self._closed = images, 1 / fps, Event()
        self.came_s: list[float] = []

    def __iter__(self) -> Iterator[Frame]:
        begun_s = time.perf_counter()
        while not self._closed.is_set():
            index = len(self.came_s)
            if self._closed.wait(max(0.0, begun_s + index * self._period_s - time.perf_counter())):
                return
            # A picture of its own, as a decoder makes it.
            image = self._images[index % len(self._images)].copy()
            self.came_s.append(time.perf_counter())
            yield Frame(image, index, index * self._period_s)

    def close(self) -> None:
        """See Source."""
        self._closed.set()


@click.command(cls=Benchmark)
@click.argument("int8", type=click.Path(path_type=Path), metavar="INT8.etc")
@click.option(
    "--source", required=True, help="Where pictures come from; they are held in memory, at the network's size."
)
@click.option("--frames", type=click.IntRange(min=2), default=1000, show_default=True, help="Frames to label.")
@click.option("--faster", type=float, default=1.5, show_default=True, help="Camera's rate by the engine's.")
@click.option("--target", default="cpu", show_default=True, help="Engine.")
@threads_and_json
def main(
    int8: Path,
    source: str,
    frames: int,
    faster: float,
    target: str,
    threads: int | None,
    json_path: Path | None,
) -> None:
    """Label a camera that is faster than its engine, and see how long a frame takes beyond the engine's own time.

    Its time begins when it has come and the last result was handed out, and ends when its own result is.
    """
    cores, progress = keep_to_cores(threads), console_progress()
    with Segmenter.load(int8, target, progress=progress) as segmenter, open_source(source) as opened:
        images = [fit_frame(frame.image_rgb, segmenter.size_hw) for frame in islice(opened, FRAMES_HELD)]
        if not images:
            raise SourceError(f"Found no frames in {source}, expected one or more.")
        alone_ms = median(segmenter.segment(images[number % len(images)]).infer_ms for number in range(WARM_UP))
        camera = Camera(images, fps=round(faster * 1e3 / alone_ms))
        watch = Watch(cores)
        engine_ms: list[float] = []

        def segment(frame_rgb: UInt8) -> Segmented:
            found = segmenter.segment(frame_rgb)
            engine_ms.append(found.infer_ms)
            return found

        pipeline = Pipeline(camera, segment, frames=frames + WARM_UP)
        handed_s, added_ms, age_ms = 0.0, [], []
        with progress.task("labelling", frames + WARM_UP) as task:
            for result in pipeline:
                now_s = time.perf_counter()
                came_s = camera.came_s[result.index]
                added_ms.append((now_s - max(came_s, handed_s)) * 1e3 - engine_ms[-1])
                age_ms.append((now_s - came_s) * 1e3)
                handed_s = time.perf_counter()
                task.advance(1)
        conditions = watch.conditions()
        name, backend, size_hw = segmenter.name, segmenter.compiled.manifest.backend, segmenter.size_hw
    kinds = {"added": added_ms, "engine": engine_ms, "age of a frame when its labels are there": age_ms}
    quantiles = {kind: np.percentile(times[WARM_UP:], [50, 99]).tolist() for kind, times in kinds.items()}
    p99_ms = quantiles["added"][1]
    finish(
        Record(
            benchmark="added_latency",
            title=f"{name} on {backend}: what the pipeline adds to a live frame",
            settings={
                "size_hw": list(size_hw),
                "backend": backend,
                "frames": frames,
                "camera_fps": float(camera.fps or 0),
            },
            figures={"p99_ms": p99_ms, "quantiles_ms": quantiles, "dropped": pipeline.dropped},
            table=Table(
                ["ms", "p50", "p99"], [[kind, f"{low:.3f}", f"{high:.3f}"] for kind, (low, high) in quantiles.items()]
            ),
            goals=[Goal(name="added, p99, ms", value=p99_ms, sense="at most", bound=ADDED_GOAL_MS)],
            notes=[f"of the camera's {len(camera.came_s)} frames {pipeline.dropped.get('decode', 0)} gave way"],
            conditions=conditions,
        ),
        json_path,
    )


if __name__ == "__main__":
    main()
