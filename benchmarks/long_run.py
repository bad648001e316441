"""What thousands of frames leave behind: resident memory, threads and open files.

python benchmarks/long_run.py INT8.etc --source drive.mp4 --json long_run.json
"""

from __future__ import annotations

import gc
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from statistics import median

import click
import psutil  # type: ignore[import-untyped]
from measuring.command import Benchmark, keep_to_cores, threads_and_json
from measuring.footage import footage, repeated
from measuring.record import Goal, Record, Table, Watch, finish

from etc_edge.core.progress import console_progress
from etc_edge.frames.jsonl_sink import JsonlSink
from etc_edge.frames.overlay import Overlay
from etc_edge.frames.source import ASSUMED_FPS, open_source
from etc_edge.frames.video_sink import VideoSink
from etc_edge.runtime.pipeline import Pipeline
from etc_edge.runtime.segmenter import Segmenter

GROWTH_GOAL_MB = 5.0

SAMPLE_EVERY = 50
DISTINCT = 500
"""Frames of the video before it begins anew."""


@click.command(cls=Benchmark)
@click.argument("int8", type=click.Path(path_type=Path), metavar="INT8.etc")
@click.option("--source", required=True, help="A video, or a folder of images, which becomes one.")
@click.option("--frames", type=click.IntRange(min=100), default=20_000, show_default=True, help="Frames in all.")
@click.option("--target", default="cpu", show_default=True, help="Engine.")
@threads_and_json
def main(int8: Path, source: str, frames: int, target: str, threads: int | None, json_path: Path | None) -> None:
    """Label a video over and over into a video with overlay and JSON lines, and watch what stays.

    Growth is from the frames after the first twentieth to the last twentieth.
    """
    cores, progress = keep_to_cores(threads), console_progress()
    watch, process = Watch(cores), psutil.Process()
    sizes: list[tuple[int, int]] = []
    # What libraries start once for a process, such as OpenCV's own threads, is there after a first run.
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        short = footage(source, min(DISTINCT, frames), work / "short.mp4", progress)
        video = repeated(short, frames, work / "source.mp4")
        _once(int8, short, target, work)
        before = _open()
        with progress.task("labelling", frames) as task, Segmenter.load(int8, target, progress=progress) as segmenter:
            name, backend = segmenter.name, segmenter.compiled.manifest.backend
            with ExitStack() as stack:
                for index in islice(_labelled(segmenter, video, work, stack), frames):
                    task.advance(1)
                    if index % SAMPLE_EVERY == 0:
                        gc.collect()
                        sizes.append((index, int(process.memory_info().rss)))
        gc.collect()
        after = _open()
    span = max(SAMPLE_EVERY, frames // 20)
    first = median(size for index, size in sizes if span <= index < 2 * span)
    last = median(size for index, size in sizes if index > frames - 1 - span)
    growth_mb = (last - first) / 1e6
    left = {what: after[what] - before[what] for what in before}
    finish(
        Record(
            benchmark="long_run",
            title=f"{name} on {backend}: what {frames} frames leave behind",
            settings={"backend": backend, "frames": frames, "video_frames": min(DISTINCT, frames)},
            figures={
                "growth_mb": growth_mb,
                "before_bytes": first,
                "after_bytes": last,
                "left": left,
                "samples": sizes[:: max(1, len(sizes) // 100)],
            },
            table=Table(
                ["", "found"],
                [
                    [f"resident memory from frame {span} on, MB", f"{first / 1e6:.1f}"],
                    [f"resident memory at frame {frames}, MB", f"{last / 1e6:.1f}"],
                    *([f"{what} left", str(count)] for what, count in left.items()),
                ],
            ),
            goals=[
                Goal(name="growth of resident memory, MB", value=growth_mb, sense="at most", bound=GROWTH_GOAL_MB),
                *(Goal(name=f"{what} left", value=count, sense="at most", bound=0) for what, count in left.items()),
            ],
            notes=["memory does not depend on the speed of the machine: a busy one tells the same"],
            conditions=watch.conditions(),
        ),
        json_path,
    )


def _labelled(segmenter: Segmenter, video: str, work: Path, stack: ExitStack) -> Iterator[int]:
    source = stack.enter_context(open_source(video))
    sinks = {
        "video": stack.enter_context(
            VideoSink(work / "out.mp4", source.fps or ASSUMED_FPS, Overlay(segmenter.label_set))
        ),
        "json": stack.enter_context(JsonlSink(work / "out.jsonl", segmenter.label_set)),
    }
    for result in Pipeline(source, segmenter.segment, sinks):
        yield result.index


def _once(int8: Path, video: str, target: str, work: Path) -> None:
    with Segmenter.load(int8, target) as segmenter, ExitStack() as stack:
        for _ in islice(_labelled(segmenter, video, work, stack), 50):
            pass
    gc.collect()


def _open() -> dict[str, int]:
    """Threads of Python and open files of this process."""
    files = "/proc/self/fd"
    return {"threads": threading.active_count(), "files": len(os.listdir(files)) if os.path.isdir(files) else 0}


if __name__ == "__main__":
    main()
