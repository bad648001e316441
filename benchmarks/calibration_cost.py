"""What calibration costs: the time of `quantize` beside that of as many FP32 inferences, in turns, block by block.

python benchmarks/calibration_cost.py FP32.etc --data camvid --frames 300 --json cost.json
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
import msgspec
import numpy as np
import numpy.typing as npt
from measuring.calibration_frames import split_frames
from measuring.command import Benchmark, keep_to_cores, threads_and_json
from measuring.record import Goal, Record, Table, Watch, finish

from etc_edge.backends.base import EngineOptions
from etc_edge.backends.targets import compiled_for
from etc_edge.benchmark.protocol import SETTLE_S
from etc_edge.core.bundle import Bundle
from etc_edge.core.progress import Progress, Silent, console_progress
from etc_edge.data.dataset import open_dataset
from etc_edge.quantization.recipe import CalibrationRecipe, QuantizeRecipe
from etc_edge.stages.quantize import quantize

UInt8 = npt.NDArray[np.uint8]

COST_GOAL = 1.5
FRAMES_HELD = 32

# What the stage calls the pass over all frames; plain inferences take their turns in it.
PASS = "calibrating"
WRITING = "writing"


@click.command(cls=Benchmark)
@click.argument("fp32", type=click.Path(path_type=Path), metavar="FP32.etc")
@click.option("--data", required=True, help="Data set to calibrate on.")
@click.option("--split", default="train", show_default=True, help="Split to take frames from.")
@click.option("--frames", type=click.IntRange(min=1), default=300, show_default=True, help="Frames to look at.")
@click.option("--block", type=click.IntRange(min=1), default=10, show_default=True, help="Frames before a turn.")
@click.option("--target", default="cpu", show_default=True, help="Engine of the plain inferences.")
@click.option("--observer", default=QuantizeRecipe().observer, show_default=True, help="What chooses the ranges.")
@threads_and_json
def main(
    fp32: Path,
    data: str,
    split: str,
    frames: int,
    block: int,
    target: str,
    observer: str,
    threads: int | None,
    json_path: Path | None,
) -> None:
    """Time all that `quantize` does until it writes: reading, equalising, observing, choosing ranges."""
    cores, progress = keep_to_cores(threads), console_progress()
    watch, dataset, bundle = Watch(cores), open_dataset(data), Bundle.open(fp32)
    size_hw = bundle.preprocessing.size_hw
    compiled = compiled_for(bundle, target, EngineOptions(threads=cores), progress)
    engine, held = compiled.load(), split_frames(dataset, split, min(frames, FRAMES_HELD), size_hw)
    recipe = QuantizeRecipe(observer=observer, calibration=CalibrationRecipe(split=split, frames=frames))
    with tempfile.TemporaryDirectory() as folder:
        turns = _Turns(engine.run, held, block, progress)
        report = quantize(fp32, Path(folder, "out.etc"), recipe, data, progress=turns)
        turns.enter("end")
    count, plain_s = turns.inferences, turns.plain_s
    seconds = {name: value for name, value in turns.seconds.items() if name != WRITING}
    whole_s = sum(seconds.values())
    ratio = whole_s / plain_s
    stretches = {**seconds, "in all": whole_s, f"{count} FP32 inferences, {compiled.manifest.backend}": plain_s}
    rows = [
        [name, f"{value:.2f}", f"{1e3 * value / count:.1f}", f"{value / plain_s:.3f}"]
        for name, value in stretches.items()
    ]
    finish(
        Record(
            benchmark="calibration_cost",
            title=f"{bundle.name}: calibration on {count} frames of {dataset.name} beside as many FP32 inferences",
            settings={
                "size_hw": list(size_hw),
                "data": dataset.name,
                "split": split,
                "frames": count,
                "block": block,
                "recipe": msgspec.to_builtins(recipe),
                "tensors": len(report.placement.tensors),
                "plain_backend": compiled.manifest.backend,
            },
            figures={"seconds": turns.seconds, "plain_seconds": plain_s, "ratio": ratio},
            table=Table(["", "s", "ms per frame", "× FP32"], rows),
            goals=[Goal(name="calibration / FP32 inferences", value=ratio, sense="at most", bound=COST_GOAL)],
            notes=["reading frames is part of the passes over them; writing the bundle is left out"],
            conditions=watch.conditions(),
        ),
        json_path,
    )


class _Turns(Silent):
    """The progress that `quantize` reports to, which takes its time and lets plain inferences in between.

    Each stretch of time goes to the name of the work under way, in `seconds`. After every block of frames of the pass
    the clock stops for as many plain inferences, whose time is `plain_s`.
    """

    def __init__(self, infer: Callable[[UInt8], UInt8], images: Sequence[UInt8], block: int, shown: Progress) -> None:
        self._infer, self._images, self._block, self._shown = infer, images, block, shown
        self.seconds: dict[str, float] = {}
        self.plain_s, self.inferences = 0.0, 0
        self._name, self._since = "preparing", time.perf_counter()

    def enter(self, name: str) -> None:
        """Time up to now goes to the work that was under way; from now on to `name`."""
        now = time.perf_counter()
        self.seconds[self._name] = self.seconds.get(self._name, 0.0) + now - self._since
        self._name, self._since = name, time.perf_counter()

    def say(self, message: str) -> None:
        """See Progress; the stage says when it begins to write."""
        if message.startswith(WRITING):
            self.enter(WRITING)

    @contextmanager
    def task(self, description: str, total: int | None = None) -> Iterator[_Block]:
        """See Progress."""
        with self._shown.task(description, total) as task:
            self.enter(description)
            block = _Block(self, self._block if description == PASS else None, task.advance)
            yield block
            block.end()
            self.enter(f"after {description}")

    def plain(self, count: int) -> None:
        """Stop the clock and run inferences that nobody looks at."""
        self.enter(self._name)
        time.sleep(SETTLE_S)
        self._infer(self._images[0])
        begun = time.perf_counter()
        for number in range(count):
            self._infer(self._images[number % len(self._images)])
        self.plain_s += time.perf_counter() - begun
        self.inferences += count
        time.sleep(SETTLE_S)
        self._since = time.perf_counter()


class _Block:
    """A task that gives plain inferences their turn after every so many frames, or never."""

    def __init__(self, turns: _Turns, size: int | None, shown: Callable[[int], None]) -> None:
        self._turns, self._size, self._shown, self._pending = turns, size, shown, 0

    def advance(self, count: int = 1, **figures: str) -> None:
        """See Task."""
        self._shown(count)
        self._pending += count
        if self._size is not None and self._pending >= self._size:
            self.end()

    def end(self) -> None:
        """The turn of what is left."""
        if self._size is not None and self._pending:
            self._turns.plain(self._pending)
        self._pending = 0


if __name__ == "__main__":
    main()
