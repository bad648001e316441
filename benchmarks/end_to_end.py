"""Frames per second of `run`, decoding, overlay and H.264 writing included, beside the bare engine and other ways.

python benchmarks/end_to_end.py INT8.etc --source drive.mp4 --memory 5000 --json end_to_end.json
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import click
import numpy as np
import numpy.typing as npt
import psutil  # type: ignore[import-untyped]
from measuring.command import Benchmark, keep_to_cores, threads_and_json
from measuring.footage import footage
from measuring.peers import PeerError
from measuring.record import Goal, Record, Table, Watch, finish
from measuring.video_graphs import save_graphs
from measuring.video_peers import APP, VIDEO_PEERS, VideoContender, app_figures, ready

from etc_edge.backends.base import Engine
from etc_edge.benchmark.protocol import pair_ratio
from etc_edge.core.bundle import Bundle
from etc_edge.core.errors import EtcEdgeError
from etc_edge.core.progress import Progress, Silent, console_progress
from etc_edge.frames.preprocess import fit_frame
from etc_edge.frames.source import open_source
from etc_edge.runtime.segmenter import Segmenter
from etc_edge.stages.run import Outputs, RunReport, run

UInt8 = npt.NDArray[np.uint8]

LABELS_GOAL, VIDEO_GOAL = 0.95, 0.88
BARE, LABELS, VIDEO, ALONE = "bare engine", "run", "run --out", "run --out --at-once 1"
MEMORY_GOAL = 0.02
"""Growth that counts as flat: what allocators and the video's own index add over thousands of frames."""

FRAMES_HELD = 64
SETTLE_S = 0.5
BEGINNING = 500
SAMPLE_EVERY = 25


@click.command(cls=Benchmark)
@click.argument("int8", type=click.Path(path_type=Path), metavar="INT8.etc")
@click.option("--source", required=True, help="A video, or a folder of images, which becomes one.")
@click.option("--frames", type=click.IntRange(min=1), default=300, show_default=True, help="Frames of a round.")
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True, help="Turns of each side.")
@click.option("--memory", type=click.IntRange(min=2), help="Also watch resident memory over so many frames.")
@click.option("--peer", "peers", multiple=True, help="cv2, model_api, benchmark_app or none; left out, all.")
@click.option("--peers-goal", type=float, help="How many times as fast as each peer that does as much it shall be.")
@click.option("--target", default="cpu", show_default=True, help="Engine of ours; peers take OpenVINO.")
@threads_and_json
def main(
    int8: Path,
    source: str,
    frames: int,
    rounds: int,
    memory: int | None,
    peers: tuple[str, ...],
    peers_goal: float | None,
    target: str,
    threads: int | None,
    json_path: Path | None,
) -> None:
    """Compare `run` with the bare engine and with peers on the same cores, in turns, a round each.

    The bare engine gets frames that are decoded and resized already, and its labels are dropped. benchmark_app runs the
    same graph on noise and leaves its logits as they are. Peers decode the same file.
    """
    cores, progress = keep_to_cores(threads), console_progress()
    watch = Watch(cores)
    with tempfile.TemporaryDirectory() as folder, Segmenter.load(int8, target, progress=progress) as segmenter:
        work, compiled = Path(folder), segmenter.compiled
        engine = compiled.load()
        video = footage(source, frames, work / "source.mp4", progress)
        with open_source(video) as opened:
            size_hw = opened.size_hw
            images = [fit_frame(frame.image_rgb, engine.size_hw) for frame in islice(opened, FRAMES_HELD)]
        reports: dict[str, list[RunReport]] = {}

        def ours(name: str, at_once: int | None = None) -> Callable[[], float]:
            outputs = Outputs(others=("null",)) if name == LABELS else Outputs(video=work / "out.mp4")

            def turn() -> float:
                report = run(compiled.path, video, outputs, frames=frames, at_once=at_once)
                reports.setdefault(name, []).append(report)
                return report.fps

            return turn

        turns: dict[str, Callable[[], float]] = {BARE: lambda: _bare_fps(engine, images, frames)}
        turns |= {LABELS: ours(LABELS), VIDEO: ours(VIDEO), ALONE: ours(ALONE, 1)}
        others, notes = _peers(int8, peers, video, cores, work, progress)
        for other in others:
            turns[other.peer.name] = partial(other.fps, frames)
        if (work / "bare.xml").is_file() and (not peers or APP in peers):
            turns[APP] = lambda: app_figures(work / "bare.xml", frames).fps
        fps: dict[str, list[float]] = {name: [] for name in turns}
        with progress.task("taking turns", rounds * len(turns)) as task:
            for _ in range(rounds):
                for name in list(turns):
                    time.sleep(SETTLE_S)
                    try:
                        fps[name].append(turns[name]())
                    except PeerError as error:
                        notes.append(f"{name} is left out. {error.message}")
                        del turns[name], fps[name]
                    task.advance(1, turn=name)

        def ratio(name: str, base: str) -> float:
            return pair_ratio(fps[name], fps[base])

        goals = [
            Goal(
                name=f"{LABELS}, nothing written / {BARE}",
                value=ratio(LABELS, BARE),
                sense="at least",
                bound=LABELS_GOAL,
            ),
            Goal(name=f"{VIDEO} / {BARE}", value=ratio(VIDEO, BARE), sense="at least", bound=VIDEO_GOAL),
        ]
        for other in others:
            mine, theirs = VIDEO if other.peer.writes else LABELS, other.peer.name
            if peers_goal is not None and theirs in fps:
                goals.append(
                    Goal(name=f"{mine} / {theirs}", value=ratio(mine, theirs), sense="at least", bound=peers_goal)
                )
        figures: dict[str, Any] = {
            "ratio": ratio(VIDEO, BARE),
            "ratios": {name: {base: ratio(name, base) for base in fps} for name in fps},
            "fps": fps,
            "at_once": reports[VIDEO][-1].at_once,
            "stages_ms": _stages_ms(reports[VIDEO]),
        }
        rows = [[name, f"{median(of_one):.1f}", f"{ratio(name, BARE):.3f}"] for name, of_one in fps.items()]
        rows += [[f"  {VIDEO}: {name}, ms per frame", f"{ms:.2f}", ""] for name, ms in figures["stages_ms"].items()]
        versions = {package: version for other in others for package, version in other.versions.items()}
        described = {peer.name: peer.described for peer in VIDEO_PEERS if peer.name in fps}
        if memory is not None:
            growth = _watch_memory(compiled.path, source, memory, work, progress)
            figures["memory"] = growth
            goals.append(
                Goal(name="growth of resident memory", value=growth["growth"], sense="at most", bound=MEMORY_GOAL)
            )
            rows.append(
                [f"resident memory at frame {growth['from_frame']}, MB", f"{growth['before_bytes'] / 1e6:.1f}", ""]
            )
            rows.append([f"resident memory at frame {memory}, MB", f"{growth['after_bytes'] / 1e6:.1f}", ""])
        name, backend = segmenter.name, compiled.manifest.backend
    finish(
        Record(
            benchmark="end_to_end",
            title=f"{name} on {backend}: run beside the bare engine and other ways",
            settings={
                "size_hw": list(compiled.preprocessing.size_hw),
                "source_size_hw": list(size_hw),
                "backend": backend,
                "frames": frames,
                "rounds": rounds,
                "memory_frames": memory,
                "peers": described,
            },
            figures=figures,
            table=Table(["", "frames per second", "by bare engine"], rows),
            goals=goals,
            notes=notes,
            conditions=watch.conditions(**{k: v for k, v in versions.items() if k == "openvino-model-api"}),
        ),
        json_path,
    )


def _peers(
    int8: Path, wanted: tuple[str, ...], video: str, threads: int, work: Path, progress: Progress
) -> tuple[list[VideoContender], list[str]]:
    """Peers that are ready, and why others are left out."""
    chosen = [peer for peer in VIDEO_PEERS if not wanted or peer.name in wanted]
    if not chosen and APP not in wanted and wanted:
        return [], ["peers are left out: none was asked for"]
    try:
        graphs = save_graphs(Bundle.open(int8), work)
    except EtcEdgeError as error:
        return [], [f"peers are left out. {error.message}"]
    others, notes = [], []
    for peer in chosen:
        try:
            others.append(ready(peer, graphs[peer.graph], video, threads, work, progress))
        except EtcEdgeError as error:
            notes.append(f"{peer.name} is left out. {error.message}")
    return others, notes


def _bare_fps(engine: Engine, images: list[UInt8], frames: int) -> float:
    time.sleep(SETTLE_S)
    engine.run(images[0])
    begun = time.perf_counter()
    for number in range(frames):
        engine.run(images[number % len(images)])
    return frames / (time.perf_counter() - begun)


def _stages_ms(reports: list[RunReport]) -> dict[str, float]:
    """Milliseconds a frame by stage, the median of the rounds' medians."""
    return {name: median(report.stages_ms[name].p50 for report in reports) for name in reports[0].stages_ms}


def _watch_memory(model: Path, source: str, frames: int, work: Path, progress: Progress) -> dict[str, Any]:
    """Resident memory of a long run, between the end of its beginning and its last tenth."""
    video = footage(source, frames, work / "long.mp4", progress)
    sampler = _Sampler(progress)
    run(model, video, Outputs(video=work / "long-out.mp4"), frames=frames, progress=sampler)
    start = min(BEGINNING, frames // 2)
    span = max(SAMPLE_EVERY, frames // 10)
    before = median(size for frame, size in sampler.sizes if start <= frame < start + span)
    after = median(size for frame, size in sampler.sizes if frame > frames - span)
    return {
        "frames": frames,
        "from_frame": start,
        "before_bytes": before,
        "after_bytes": after,
        "growth_bytes": after - before,
        "growth": after / before - 1,
        "peak_bytes": max(size for _, size in sampler.sizes),
        "samples": sampler.sizes[:: max(1, len(sampler.sizes) // 100)],
    }


class _Sampler(Silent):
    """Progress that notes the process's resident memory as frames go by, and shows them to another."""

    def __init__(self, shown: Progress) -> None:
        self._shown, self._process = shown, psutil.Process()
        self.sizes: list[tuple[int, int]] = []

    @contextmanager
    def task(self, description: str, total: int | None = None) -> Iterator[_SampledTask]:
        """See Progress."""
        with self._shown.task(description, total) as task:
            yield _SampledTask(self, task.advance)

    def note(self, frame: int) -> None:
        """Sample now and then."""
        if frame % SAMPLE_EVERY == 0:
            self.sizes.append((frame, int(self._process.memory_info().rss)))


class _SampledTask:
    def __init__(self, sampler: _Sampler, advance: Any) -> None:
        self._sampler, self._advance, self._done = sampler, advance, 0

    def advance(self, count: int = 1, **figures: str) -> None:
        """See Task."""
        self._done += count
        self._sampler.note(self._done)
        self._advance(count, **figures)


if __name__ == "__main__":
    main()
