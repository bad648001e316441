"""The torch engine on a GPU, FP16 with a CUDA graph, beside the same network eager in FP32.

python benchmarks/torch_gpu.py zoo/pspnet18-camvid.safetensors --json torch_gpu.json
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

import click
import numpy as np
import numpy.typing as npt
import torch
from measuring.command import Benchmark, keep_to_cores, threads_and_json
from measuring.contender import timed
from measuring.record import Goal, Record, Table, Watch, finish
from torch.nn import functional

from etc_edge.backends.base import EngineOptions
from etc_edge.backends.cache import compile_into
from etc_edge.backends.gpu import gpu_device, uses_gpu
from etc_edge.benchmark.protocol import alternate, pair_ratio
from etc_edge.core.progress import console_progress
from etc_edge.models.released import Released, load_released
from etc_edge.stages.export import ExportOptions, export

UInt8 = npt.NDArray[np.uint8]

SPEED_GOAL = 3.0
WARM_UP = 5

PURPOSE = "the torch engine"


@click.command(cls=Benchmark)
@click.argument("weights", type=click.Path(path_type=Path), metavar="WEIGHTS.safetensors")
@click.option("--size", nargs=2, type=click.IntRange(min=8), default=(1024, 2048), show_default=True, help="H and W.")
@click.option("--rounds", type=click.IntRange(min=1), default=50, show_default=True, help="Frames that are counted.")
@threads_and_json
def main(weights: Path, size: tuple[int, int], rounds: int, threads: int | None, json_path: Path | None) -> None:
    """Time a frame from uint8 in memory to uint8 labels in memory, both ways in turns.

    Eager is as torch comes: TF32 in convolutions, channels first, every kernel launched by Python.
    """
    if not uses_gpu(PURPOSE):
        click.echo("left out: torch on a GPU, FP16 with a CUDA graph beside eager FP32, since there is no NVIDIA GPU")
        return
    cores, progress = keep_to_cores(threads), console_progress()
    released = load_released(weights)
    with tempfile.TemporaryDirectory() as folder:
        bundle = export(weights, Path(folder) / "net.etc", ExportOptions(size_hw=size), progress).bundle
        compiled = compile_into(Path(folder) / "engine", bundle, "torch", EngineOptions(threads=cores))
        engine, frame = compiled.load(), bundle.selftest().frames[0]
        watch, eager = Watch(cores), _eager(released)
        agreement = float(np.mean(engine.run(frame) == eager(frame)))
        times_ms = alternate([timed(eager, [frame]), timed(engine.run, [frame])], rounds, WARM_UP, progress, "frames")
        engine.close()
    ratio = pair_ratio(times_ms[0], times_ms[1])
    name = f"{released.name} at {size[0]}×{size[1]}"
    finish(
        Record(
            benchmark="torch_gpu",
            title=f"{name} on {gpu_device(PURPOSE)}",
            settings={"size_hw": list(size), "rounds": rounds, "note": compiled.manifest.note},
            figures={
                "ratio": ratio,
                "median_ms": {"eager": median(times_ms[0]), "engine": median(times_ms[1])},
                "agreement": agreement,
            },
            table=Table(
                ["", "ms a frame"],
                [
                    ["PyTorch eager FP32", f"{median(times_ms[0]):.2f}"],
                    ["torch engine, FP16, CUDA graph", f"{median(times_ms[1]):.2f}"],
                ],
            ),
            goals=[Goal(name="eager / engine, ms", value=ratio, sense="at least", bound=SPEED_GOAL)],
            notes=[f"both give the same label to {agreement:.4f} of the pixels"],
            conditions=watch.conditions(torch=str(torch.__version__)),
        ),
        json_path,
    )


def _eager(released: Released) -> Callable[[UInt8], UInt8]:
    """The network as it is, with its preprocessing and its labels on the GPU."""
    network = released.network.cuda()
    preprocessing = released.preprocessing
    mean, std = (
        torch.tensor(values, device="cuda").reshape(1, 3, 1, 1)
        for values in (preprocessing.mean_rgb, preprocessing.std_rgb)
    )

    def run(frame_rgb: UInt8) -> UInt8:
        with torch.no_grad():
            image = torch.from_numpy(frame_rgb).cuda().permute(2, 0, 1)[None].float().contiguous()
            logits = network((image - mean) / std)
            full = functional.interpolate(logits, frame_rgb.shape[:2], mode="bilinear", align_corners=True)
            labels: UInt8 = full.argmax(1)[0].to(torch.uint8).cpu().numpy()
        return labels

    return run


if __name__ == "__main__":
    main()
