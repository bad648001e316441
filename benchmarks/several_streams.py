"""Frames per second of several sources that share one network, all together, beside those of one source.

python benchmarks/several_streams.py INT8.etc --source drive.mp4 --json several_streams.json
"""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import click
from measuring.command import Benchmark, keep_to_cores, threads_and_json
from measuring.footage import footage
from measuring.record import Goal, Record, Table, Watch, finish

from etc_edge.benchmark.protocol import alternate, pair_ratio
from etc_edge.core.progress import console_progress
from etc_edge.frames.source import open_source
from etc_edge.runtime.segmenter import Segmenter
from etc_edge.runtime.streams import Stream, Streams

THROUGHPUT_GOAL = 0.95


@click.command(cls=Benchmark)
@click.argument("int8", type=click.Path(path_type=Path), metavar="INT8.etc")
@click.option("--source", required=True, help="A video, or a folder of images, which becomes one.")
@click.option("--streams", type=click.IntRange(min=2), default=4, show_default=True, help="Sources at once.")
@click.option("--frames", type=click.IntRange(min=1), default=24, show_default=True, help="Frames of each in a turn.")
@click.option("--rounds", type=click.IntRange(min=1), default=9, show_default=True, help="Turns of each side.")
@click.option("--target", default="cpu", show_default=True, help="Engine of both sides.")
@threads_and_json
def main(
    int8: Path,
    source: str,
    streams: int,
    frames: int,
    rounds: int,
    target: str,
    threads: int | None,
    json_path: Path | None,
) -> None:
    """Take turns: one source, then several with as many frames in all, decoded to labels on the same cores."""
    cores, progress = keep_to_cores(threads), console_progress()
    watch = Watch(cores)
    with tempfile.TemporaryDirectory() as folder, Segmenter.load(int8, target, progress=progress) as segmenter:
        video = footage(source, streams * frames, Path(folder) / "source.mp4", progress)
        shares: list[list[int]] = []

        def turn_ms(count: int, each: int) -> float:
            with ExitStack() as stack:
                opened = [Stream(stack.enter_context(open_source(video))) for _ in range(count)]
                running = Streams(opened, segmenter.segment, frames=each)
                begun = time.perf_counter()
                for _ in running:
                    pass
                took_ms = (time.perf_counter() - begun) * 1e3
            shares.append(list(running.labelled))
            return took_ms / sum(running.labelled)

        contenders = [lambda _: turn_ms(1, streams * frames), lambda _: turn_ms(streams, frames)]
        one_ms, several_ms = alternate(contenders, rounds, 1, progress, "taking turns")
        name, backend, size_hw = segmenter.name, segmenter.compiled.manifest.backend, segmenter.size_hw
    ratio = pair_ratio(one_ms, several_ms)
    finish(
        Record(
            benchmark="several_streams",
            title=f"{name} on {backend}: {streams} sources on one engine beside one source",
            settings={
                "size_hw": list(size_hw),
                "backend": backend,
                "streams": streams,
                "frames": frames,
                "rounds": rounds,
            },
            figures={"ratio": ratio, "times_ms": {"one": one_ms, "several": several_ms}, "labelled": shares[-1]},
            table=Table(
                ["", "frames per second in all"],
                [
                    ["one source", f"{1e3 / median(one_ms):.1f}"],
                    [f"{streams} sources", f"{1e3 / median(several_ms):.1f}"],
                ],
            ),
            goals=[Goal(name=f"{streams} sources / one", value=ratio, sense="at least", bound=THROUGHPUT_GOAL)],
            notes=[],
            conditions=watch.conditions(),
        ),
        json_path,
    )


if __name__ == "__main__":
    main()
