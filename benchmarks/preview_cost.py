"""What the live preview takes from `run`: frames per second with a page that is looked at, and with one that is not.

python benchmarks/preview_cost.py INT8.etc --source drive.mp4 --json preview_cost.json
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import tempfile
import time
from contextlib import suppress
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event as EventType
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp
import click
from measuring.command import Benchmark, keep_to_cores, threads_and_json
from measuring.footage import footage
from measuring.record import Goal, Record, Table, Watch, finish

from etc_edge.core.errors import EngineError
from etc_edge.core.progress import console_progress
from etc_edge.runtime.preview import Preview
from etc_edge.runtime.segmenter import Segmenter
from etc_edge.stages.run import run

UNWATCHED_GOAL, WATCHED_GOAL = 0.98, 0.90
SETTLE_S, START_S = 0.5, 60.0


@click.command(cls=Benchmark)
@click.argument("int8", type=click.Path(path_type=Path), metavar="INT8.etc")
@click.option("--source", required=True, help="A video, or a folder of images, which becomes one.")
@click.option("--frames", type=click.IntRange(min=1), default=300, show_default=True, help="Frames of a round.")
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True, help="Turns of each side.")
@click.option("--target", default="cpu", show_default=True, help="Engine of all sides.")
@threads_and_json
def main(
    int8: Path, source: str, frames: int, rounds: int, target: str, threads: int | None, json_path: Path | None
) -> None:
    """Compare `run` without a preview, with one that nobody looks at, and with one that a page looks at, in turns.

    The page is a client that takes every picture and draws none; it has the same cores, at the lowest priority.
    """
    cores, progress = keep_to_cores(threads), console_progress()
    watch = Watch(cores)
    found: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as folder, Segmenter.load(int8, target, progress=progress) as segmenter:
        name, compiled = segmenter.name, segmenter.compiled
        video = footage(source, frames, Path(folder) / "source.mp4", progress)
        with progress.task("taking turns", rounds) as task:
            for _ in range(rounds):
                plain_fps = _fps(compiled.path, video, frames, None)
                with Preview(":0") as preview:
                    unwatched_fps = _fps(compiled.path, video, frames, preview)
                with Preview(":0") as preview, _Page(preview) as page:
                    watched_fps = _fps(compiled.path, video, frames, preview)
                    pictures = page.pictures
                found.append(
                    {
                        "plain_fps": plain_fps,
                        "unwatched_fps": unwatched_fps,
                        "watched_fps": watched_fps,
                        "pictures_per_second": pictures * watched_fps / frames,
                    }
                )
                task.advance(1, watched=f"{watched_fps / plain_fps:.3f}")
    unwatched = median(one["unwatched_fps"] / one["plain_fps"] for one in found)
    watched = median(one["watched_fps"] / one["plain_fps"] for one in found)
    figures: dict[str, Any] = {"unwatched_ratio": unwatched, "watched_ratio": watched, "rounds": found}
    heads = {
        "plain_fps": "run, frames per second",
        "unwatched_fps": "with a preview that nobody looks at",
        "watched_fps": "with a preview that a page looks at",
        "pictures_per_second": "  pictures per second that the page got",
    }
    finish(
        Record(
            benchmark="preview_cost",
            title=f"{name} on {compiled.manifest.backend}: run with a live preview",
            settings={
                "size_hw": list(compiled.preprocessing.size_hw),
                "backend": compiled.manifest.backend,
                "frames": frames,
                "rounds": rounds,
            },
            figures=figures,
            table=Table(
                ["", "median"], [[head, f"{median(one[key] for one in found):.1f}"] for key, head in heads.items()]
            ),
            goals=[
                Goal(name="unwatched / without", value=unwatched, sense="at least", bound=UNWATCHED_GOAL),
                Goal(name="watched / without", value=watched, sense="at least", bound=WATCHED_GOAL),
            ],
            notes=[],
            conditions=watch.conditions(aiohttp=aiohttp.__version__),
        ),
        json_path,
    )


def _fps(model: Path, video: str, frames: int, preview: Preview | None) -> float:
    time.sleep(SETTLE_S)
    return run(model, video, frames=frames, preview=preview).fps


class _Page:
    """A client in a process of its own that looks at the first stream and says at once that it has drawn."""

    def __init__(self, preview: Preview) -> None:
        context = multiprocessing.get_context("spawn")
        self._count, self._looking = context.Value("i", 0), context.Event()
        self._process = context.Process(target=_look, args=(preview.url, self._count, self._looking), daemon=True)

    @property
    def pictures(self) -> int:
        """How many it got."""
        return int(self._count.value)

    def __enter__(self) -> _Page:
        self._process.start()
        if not self._looking.wait(START_S):
            self._process.kill()
            raise EngineError(f"Found no page within {START_S:.0f} s.", "See whether aiohttp works.")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.join()


def _look(url: str, count: Synchronized[int], looking: EventType) -> None:
    os.nice(19)

    async def look() -> None:
        async with aiohttp.ClientSession() as session, session.ws_connect(f"{url}live", max_msg_size=0) as page:
            async for message in page:
                if message.type is aiohttp.WSMsgType.BINARY:
                    count.value += 1
                    await page.send_json({"drawn": 0})
                elif message.json()["kind"] == "hello":
                    if message.json()["streams"]:
                        await page.send_json({"watch": [0]})
                    looking.set()

    with suppress(aiohttp.ClientError):
        asyncio.run(look())


if __name__ == "__main__":
    main()
