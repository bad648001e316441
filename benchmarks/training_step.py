"""What pairs and distillation add to a training step, and what a sample costs the loader, in turns, step by step.

python benchmarks/training_step.py pspnet_mobilenetv2 --json training_step.json
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import click
import numpy as np
import torch
from measuring.command import Benchmark, keep_to_cores, threads_and_json
from measuring.record import Goal, Record, Table, Watch, finish

from etc_edge.benchmark.protocol import alternate, pair_ratio
from etc_edge.core.progress import Silent, console_progress
from etc_edge.core.recipe import parse_recipe
from etc_edge.data.dataset import open_dataset
from etc_edge.models.table import build_network
from etc_edge.training.batches import Batch, collate
from etc_edge.training.frames import Labelled, labelled_frames
from etc_edge.training.interruption import Interruption
from etc_edge.training.loop import Learner, Run, Training, comparable
from etc_edge.training.normalisation import Normalisation
from etc_edge.training.optimisation import make_optimizer
from etc_edge.training.pairs.source import open_pairs
from etc_edge.training.processes import Processes
from etc_edge.training.recipe import TrainRecipe
from etc_edge.training.sample import Sample
from etc_edge.training.samples import AugmentedFrames, SampleMakers
from etc_edge.training.teacher import CachedTeacher
from etc_edge.training.teacher_store import TeacherStore
from etc_edge.training.watch import Examination

SIZE_HW, STRIDE, EMBEDDING = (360, 480), 8, 256
DATA = "synthetic:street?size=360x480&frames=4&train=3&val=1&seed=5"
PAIRS_GOAL, DISTILLATION_GOAL = 2.2, 1.15

TEMPORAL = {"name": "temporal", "mask": "visible"}
SINGLE, PAIRWISE, MULTI = ({"name": name} for name in ("single_frame", "pairwise", "multi_frame"))
ENTROPY = {"name": "cross_entropy"}
TWO, THREE = ({"source": "stills", "frames": count} for count in (2, 3))
DENSE = {"source": "dense", "gap": 1, "flow": "dis-medium"}

# Losses and pairs of each contender.
CONTENDERS: dict[str, tuple[list[dict[str, Any]], dict[str, Any] | None]] = {
    "one frame: cross-entropy": ([ENTROPY], None),
    "pairs: + temporal": ([ENTROPY, TEMPORAL], TWO),
    "pairs: + single-frame, pair-wise": ([ENTROPY, TEMPORAL, SINGLE, PAIRWISE], TWO),
    "triples: + temporal": ([ENTROPY, TEMPORAL], THREE),
    "triples: + all distillation": ([ENTROPY, TEMPORAL, SINGLE, PAIRWISE, MULTI], THREE),
}


@click.command(cls=Benchmark)
@click.argument("network")
@click.option("--crop", type=(int, int), default=(240, 320), show_default=True, help="Height and width of crops.")
@click.option("--batch", type=click.IntRange(min=1), default=4, show_default=True, help="Labelled frames a step.")
@click.option("--rounds", type=click.IntRange(min=1), default=8, show_default=True, help="Steps of each contender.")
@threads_and_json
def main(
    network: str, crop: tuple[int, int], batch: int, rounds: int, threads: int | None, json_path: Path | None
) -> None:
    """Time whole steps: forward, all terms, backward, optimiser; batches are made before."""
    cores, progress = keep_to_cores(threads), console_progress()
    torch.set_num_threads(cores)
    watch = Watch(cores)
    dataset = open_dataset(DATA)
    frames = [frame for frame in labelled_frames(dataset.clips("train"), DATA) if frame.index in (1, 2)][:batch]
    with tempfile.TemporaryDirectory() as folder:
        store = _teacher_outputs(Path(folder), frames, len(dataset.label_set))
        steps, sample_ms = [], {}
        for name, (losses, pairs) in CONTENDERS.items():
            recipe = _recipe(network, crop, batch, losses, pairs)
            samples = _samples(frames, recipe, dataset.label_set.void, store)
            batches, sample_ms[name] = _timed_samples(samples, len(frames))
            steps.append(_step(recipe, samples, batches, len(dataset.label_set), Path(folder)))
        dense = _recipe(network, crop, batch, [ENTROPY, TEMPORAL], DENSE)
        _, sample_ms["pairs from video, DIS both ways"] = _timed_samples(
            _samples(frames, dense, dataset.label_set.void, None), len(frames)
        )
        times_ms = alternate(steps, rounds, 2, progress)
    base, pairs_ms, _, triples_ms, _ = times_ms
    ratios = {name: pair_ratio(its_ms, base) for name, its_ms in zip(CONTENDERS, times_ms, strict=True)}
    rows = [
        [name, f"{median(its_ms):.0f}", f"{ratios[name]:.3f}", f"{sample_ms[name]:.1f}"]
        for name, its_ms in zip(CONTENDERS, times_ms, strict=True)
    ]
    rows.append(["pairs from video, DIS both ways", "", "", f"{sample_ms['pairs from video, DIS both ways']:.1f}"])
    two, three = pair_ratio(times_ms[2], pairs_ms), pair_ratio(times_ms[4], triples_ms)
    finish(
        Record(
            benchmark="training_step",
            title=f"{network}: a training step of {batch} samples at {crop[0]}×{crop[1]}",
            settings={"network": network, "crop_hw": list(crop), "batch": batch, "rounds": rounds, "data": DATA},
            figures={"step_ms": dict(zip(CONTENDERS, times_ms, strict=True)), "ratio": ratios, "sample_ms": sample_ms},
            table=Table(["", "ms a step", "× one frame", "ms a sample in a worker"], rows),
            goals=[
                Goal(name="pairs / one frame", value=ratios["pairs: + temporal"], sense="at most", bound=PAIRS_GOAL),
                Goal(name="pairs: with distillation / without", value=two, sense="at most", bound=DISTILLATION_GOAL),
                Goal(
                    name="triples: with all distillation / without",
                    value=three,
                    sense="at most",
                    bound=DISTILLATION_GOAL,
                ),
            ],
            notes=["samples, flow and the teacher's maps are made by loader workers while steps run"],
            conditions=watch.conditions(),
        ),
        json_path,
    )


def _recipe(
    network: str, crop: tuple[int, int], batch: int, losses: list[dict[str, Any]], pairs: dict[str, Any] | None
) -> TrainRecipe:
    content = {
        "network": network,
        "input_size_hw": list(SIZE_HW),
        "augmentation": {"crop_hw": list(crop)},
        "losses": losses,
        "pairs": pairs,
        "schedule": {"epochs": 1, "batch_size": batch},
        "optimizer": {"lr": 1e-5},
    }
    return parse_recipe(content, TrainRecipe, "the benchmark")


def _teacher_outputs(folder: Path, frames: list[Labelled], classes: int) -> TeacherStore:
    """Maps as a cached teacher leaves them; their values change no time."""
    store, rng = TeacherStore(folder, SIZE_HW), np.random.default_rng(0)
    height, width = SIZE_HW[0] // STRIDE, SIZE_HW[1] // STRIDE
    for frame in frames:
        logits = rng.standard_normal((classes, height, width)).astype(np.float16)
        features = rng.standard_normal((EMBEDDING, -(-height // 2), width // 2)).astype(np.float16)
        store.save(frame.clip.name, frame.index, logits, features)
    return store


def _samples(frames: list[Labelled], recipe: TrainRecipe, void: int, store: TeacherStore | None) -> AugmentedFrames:
    pairs = None if recipe.pairs is None else open_pairs(recipe.pairs, SIZE_HW, recipe.mean_rgb)
    distils = any(not isinstance(loss, _plain()) for loss in recipe.losses)
    makers = SampleMakers(pairs, store if distils else None)
    return AugmentedFrames(frames, recipe.augmentation, SIZE_HW, recipe.mean_rgb, void, 0, makers)


def _plain() -> tuple[type, ...]:
    from etc_edge.losses.recipe import CrossEntropyRecipe, TemporalRecipe

    return CrossEntropyRecipe, TemporalRecipe


def _timed_samples(samples: AugmentedFrames, count: int) -> tuple[Batch, float]:
    made: list[Sample] = []
    times_ms = []
    for epoch in range(3):
        made = []
        for position in range(count):
            begun = time.perf_counter()
            made.append(samples[(epoch, position)])
            times_ms.append((time.perf_counter() - begun) * 1e3)
    return collate(made), median(times_ms)


def _step(
    recipe: TrainRecipe, samples: AugmentedFrames, batch: Batch, classes: int, folder: Path
) -> Callable[[int], float]:
    processes = Processes(0, 1, torch.device("cpu"))
    torch.manual_seed(0)
    network = build_network(recipe.network, classes)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    teacher = CachedTeacher(recipe.augmentation.crop_hw, STRIDE, True, processes.device) if batch.teacher else None
    learner = Learner(
        network,
        lambda trained, terms: make_optimizer(trained, recipe.optimizer, terms),
        Normalisation(recipe.mean_rgb, recipe.std_rgb, processes.device),
    )
    run = Run(
        recipe, comparable(recipe), learner, samples, Examination(), classes, 255, folder, teacher, processes
    )  # fmt: skip
    training = Training(run, Silent())
    training.wrapped.train()

    def step(number: int) -> float:
        del number
        begun = time.perf_counter()
        training.step(batch, Interruption())
        return (time.perf_counter() - begun) * 1e3

    return step


if __name__ == "__main__":
    main()
