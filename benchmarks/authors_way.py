"""Frames per second from a video to labels, beside the way in which the method's authors run a network.

python benchmarks/authors_way.py WEIGHTS.safetensors INT8.etc --source drive.mp4 --json authors_way.json
"""

from __future__ import annotations

import tempfile
import time
from itertools import islice
from pathlib import Path
from statistics import median

import click
import cv2
import numpy as np
import numpy.typing as npt
import torch
from measuring.command import Benchmark, keep_to_cores, threads_and_json
from measuring.footage import footage
from measuring.record import Goal, Record, Table, Watch, finish
from torch.nn import functional

from etc_edge.benchmark.protocol import alternate, pair_ratio
from etc_edge.core.errors import BundleError, SourceError
from etc_edge.core.progress import console_progress
from etc_edge.models.released import Released, load_released
from etc_edge.runtime.segmenter import Segmenter
from etc_edge.stages.run import run

UInt8 = npt.NDArray[np.uint8]

SPEED_GOAL = 8.0


@click.command(cls=Benchmark)
@click.argument("weights", type=click.Path(path_type=Path), metavar="WEIGHTS.safetensors")
@click.argument("int8", type=click.Path(path_type=Path), metavar="INT8.etc")
@click.option("--source", required=True, help="A video, or a folder of images, which becomes one.")
@click.option("--frames", type=click.IntRange(min=2), default=48, show_default=True, help="Frames of a turn.")
@click.option("--rounds", type=click.IntRange(min=1), default=7, show_default=True, help="Turns of each side.")
@click.option("--target", default="cpu", show_default=True, help="Engine of the INT8 bundle.")
@threads_and_json
def main(
    weights: Path,
    int8: Path,
    source: str,
    frames: int,
    rounds: int,
    target: str,
    threads: int | None,
    json_path: Path | None,
) -> None:
    """Compare the same network on the same cores: our INT8 runtime beside eager FP32 with OpenCV and numpy around it.

    Each turn opens the video, labels its first frames at their own size and closes it. Ours goes two ways: `run`, which
    labels several frames of a file at the same time, and an application's loop over `Segmenter.stream`, one by one.
    """
    cores, progress = keep_to_cores(threads), console_progress()
    torch.set_num_threads(cores)
    cv2.setNumThreads(cores)
    released = load_released(weights)
    watch = Watch(cores)
    with tempfile.TemporaryDirectory() as folder, Segmenter.load(int8, target, progress=progress) as segmenter:
        if segmenter.size_hw != released.preprocessing.size_hw or segmenter.label_set != released.labels:
            raise BundleError(f"Found {int8} and {weights}, expected one network of one size twice.")
        video = footage(source, frames, Path(folder) / "source.mp4", progress)
        labels = _labels_by_authors(released, video, frames)
        ours = [result.labels for result in islice(segmenter.stream(video), frames)]
        agreement = float(np.mean([np.mean(one == other) for one, other in zip(labels, ours, strict=True)]))

        def theirs_ms(number: int) -> float:
            begun = time.perf_counter()
            _labels_by_authors(released, video, frames)
            return (time.perf_counter() - begun) * 1e3 / frames

        def ours_ms(number: int) -> float:
            begun = time.perf_counter()
            with segmenter.stream(video) as results:
                for _ in islice(results, frames):
                    pass
            return (time.perf_counter() - begun) * 1e3 / frames

        def run_ms(number: int) -> float:
            return 1e3 / run(segmenter.compiled.path, video, frames=frames, threads=threads).fps

        times_ms = alternate([theirs_ms, run_ms, ours_ms], rounds, 1, progress, "taking turns")
        ratio, stream_ratio = (pair_ratio(times_ms[0], ours) for ours in times_ms[1:])
        name, backend = segmenter.name, segmenter.compiled.manifest.backend
        size_hw, source_size_hw = segmenter.size_hw, labels[0].shape
    fps = [1e3 / median(times) for times in times_ms]
    finish(
        Record(
            benchmark="authors_way",
            title=f"{name} on {backend} beside eager FP32 with OpenCV and numpy around it",
            settings={
                "network": released.name,
                "size_hw": list(size_hw),
                "source_size_hw": list(source_size_hw),
                "backend": backend,
                "frames": frames,
                "rounds": rounds,
            },
            figures={
                "ratio": ratio,
                "stream_ratio": stream_ratio,
                "times_ms": dict(zip(("authors", "run", "stream"), times_ms, strict=True)),
                "agreement": agreement,
            },
            table=Table(
                ["", "ms a frame", "frames per second"],
                [
                    ["PyTorch eager FP32, cv2, numpy", f"{median(times_ms[0]):.1f}", f"{fps[0]:.1f}"],
                    [f"run, INT8 on {backend}", f"{median(times_ms[1]):.1f}", f"{fps[1]:.1f}"],
                    [f"Segmenter.stream, INT8 on {backend}", f"{median(times_ms[2]):.1f}", f"{fps[2]:.1f}"],
                ],
            ),
            goals=[Goal(name="run / theirs, frames per second", value=ratio, sense="at least", bound=SPEED_GOAL)],
            notes=[f"both give the same label to {agreement:.4f} of the pixels"],
            conditions=watch.conditions(torch=str(torch.__version__)),
        ),
        json_path,
    )


def _labels_by_authors(released: Released, video: str, count: int) -> list[UInt8]:
    """The first frames of a video as research code runs them, one step after the other.

    OpenCV decodes and resizes, numpy normalises in floats, the network runs eagerly and enlarges its logits, and numpy
    finds the largest class at every pixel.
    """
    preprocessing, found = released.preprocessing, []
    height, width = preprocessing.size_hw
    mean, std = (np.array(values, np.float32) for values in (preprocessing.mean_rgb, preprocessing.std_rgb))
    capture = cv2.VideoCapture(video)
    for _ in range(count):
        read, image_bgr = capture.read()
        if not read:
            raise SourceError(f"Found {len(found)} frames in {video}, expected {count}.")
        image_rgb = cv2.resize(cv2.cvtColor(image_bgr, cv2.COLOR_BGR2RGB), (width, height))
        planes = ((image_rgb.astype(np.float32) - mean) / std).transpose(2, 0, 1)[None]
        with torch.no_grad():
            logits = released.network(torch.from_numpy(np.ascontiguousarray(planes)))
            full = functional.interpolate(logits, (height, width), mode="bilinear", align_corners=True)
        labels = np.argmax(full[0].cpu().numpy().transpose(1, 2, 0), axis=2).astype(np.uint8)
        found.append(cv2.resize(labels, image_bgr.shape[1::-1], interpolation=cv2.INTER_NEAREST))
    capture.release()
    return found


if __name__ == "__main__":
    main()
