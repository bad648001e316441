"""Runtime work of a frame outside a TensorRT engine: Python, queueing and waiting, on a simulated device.

python benchmarks/simulated_gpu.py --json simulated_gpu.json

The simulated device carries out neither kernels nor transfers, so the figures say nothing of a GPU, only how much of a
frame's time is spent by this runtime around it. What the simulation itself costs is part of them.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

import click
import numpy as np
from measuring.command import Benchmark, keep_to_cores, threads_and_json
from measuring.contender import timed
from measuring.record import Goal, Record, Table, Watch, finish

from etc_edge.backends.base import EngineOptions, UInt8
from etc_edge.backends.table import load_compiler
from etc_edge.benchmark.protocol import alternate
from etc_edge.core.bundle import Bundle
from etc_edge.core.progress import console_progress
from etc_edge.stages.demo import MODEL

ROOT = Path(__file__).resolve().parents[1]
WORK_GOAL_MS = 0.15
WARM_UP = 5


@click.command(cls=Benchmark)
@click.option("--rounds", type=click.IntRange(min=1), default=300, show_default=True, help="Frames that are counted.")
@threads_and_json
def main(rounds: int, threads: int | None, json_path: Path | None) -> None:
    """Time a frame through the engine of a device that computes nothing, and by itself its two copies in memory."""
    cores, progress = keep_to_cores(threads), console_progress()
    sys.path.insert(0, str(ROOT))
    from tests.simulated_nvidia.site import JETPACK_6_2, simulated

    bundle, options = Bundle.open(MODEL), EngineOptions(threads=cores)
    frame = bundle.selftest().frames[0]
    with tempfile.TemporaryDirectory() as scratch, simulated(Path(scratch) / "site", JETPACK_6_2):
        folder = Path(scratch)
        compiler = load_compiler("tensorrt")
        compiler.compile(bundle, folder, options)
        os.environ["SIMULATED_NVIDIA_NULL"] = "1"
        engine = compiler.load(folder, options)
        watch = Watch(cores)
        work = [timed(engine.run, [frame]), timed(_copies(frame), [frame])]
        run_ms, copies_ms = alternate(work, rounds, WARM_UP, progress, "frames")
        conditions = watch.conditions()
        engine.close()
        del os.environ["SIMULATED_NVIDIA_NULL"]
    outside_ms = median(whole - copies for whole, copies in zip(run_ms, copies_ms, strict=True))
    height, width, _ = frame.shape
    finish(
        Record(
            benchmark="simulated_gpu",
            title=f"Work of a frame of {height}×{width} around TensorRT, on a simulated device",
            settings={"size_hw": [height, width], "rounds": rounds, "simulated": f"TensorRT {JETPACK_6_2}"},
            figures={"outside_ms": outside_ms, "run_ms": median(run_ms), "copies_ms": median(copies_ms)},
            table=Table(
                ["", "ms a frame"],
                [
                    ["all", f"{median(run_ms):.3f}"],
                    ["of it, the frame into pinned memory and the labels out of it", f"{median(copies_ms):.3f}"],
                    ["the rest: Python, queueing, waiting", f"{outside_ms:.3f}"],
                ],
            ),
            goals=[Goal(name="work outside the engine, ms", value=outside_ms, sense="at most", bound=WORK_GOAL_MS)],
            notes=["the device is simulated: no kernel runs, no transfer is made, and no GPU was measured"],
            conditions=conditions,
        ),
        json_path,
    )


def _copies(frame_rgb: UInt8) -> Callable[[UInt8], UInt8]:
    """What every engine on a GPU has to copy in the host's memory."""
    pinned, labels = np.empty_like(frame_rgb), np.zeros(frame_rgb.shape[:2], np.uint8)

    def copy(frame_rgb: UInt8) -> UInt8:
        np.copyto(pinned, frame_rgb)
        return labels.copy()

    return copy


if __name__ == "__main__":
    main()
