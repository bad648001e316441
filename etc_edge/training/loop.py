"""The training loop: one step after another, whatever the terms of the loss."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import msgspec
import torch
from torch import nn

from etc_edge.core.errors import RecipeError, TrainingError
from etc_edge.core.progress import Progress
from etc_edge.training.batches import Batch, load_batches
from etc_edge.training.embedding import Embedding
from etc_edge.training.frames import Labelled
from etc_edge.training.interruption import Interruption, deferred_interruption
from etc_edge.training.journal import Journal
from etc_edge.training.normalisation import Normalisation
from etc_edge.training.optimisation import MovingAverage, make_optimizer, set_rate
from etc_edge.training.plan import Plan
from etc_edge.training.precision import autocast_type
from etc_edge.training.processes import Processes, is_lost_process
from etc_edge.training.recipe import TrainRecipe
from etc_edge.training.samples import AugmentedFrames
from etc_edge.training.snapshot import (
    Snapshot,
    generator_states,
    load_snapshot,
    restore_generators,
    save_snapshot,
)
from etc_edge.training.step import Forward
from etc_edge.training.teacher import Teacher
from etc_edge.training.terms import Loss
from etc_edge.training.validation import held_out_figures

SNAPSHOT = "checkpoint.pt"
_LOG_EVERY = 10


@dataclass(frozen=True)
class Run:
    """What a run is made of.

    Args:
        recipe: how to train.
        network: on its device, pre-trained start included.
        samples: what is trained on.
        held_out: labelled frames to watch progress on; may be empty.
        classes: number of classes.
        void: the label value that is left out.
        folder: where checkpoint and journal go.
        teacher: what is distilled from, or None.
        processes: this process among all of the run.
    """

    recipe: TrainRecipe
    network: nn.Module
    samples: AugmentedFrames
    held_out: list[Labelled]
    classes: int
    void: int
    folder: Path
    teacher: Teacher | None
    processes: Processes


@dataclass(frozen=True)
class Trained:
    """A finished run: the network to release (the moving average where there is one) and its figures."""

    network: nn.Module
    iterations: int
    miou: float | None
    best_miou: float | None


class Training:
    """One run, checked before anything is written.

    Args:
        run: what it is made of.
        progress: where to report.

    Raises:
        RecipeError, TrainingError: the recipe does not fit the data.
    """

    def __init__(self, run: Run, progress: Progress) -> None:
        recipe = run.recipe
        self.run, self.recipe, self.progress, self.processes = run, recipe, progress, run.processes
        device = run.processes.device
        self.kind = autocast_type(recipe.precision, device)
        self.normalise = Normalisation(recipe.mean_rgb, recipe.std_rgb, device)
        self.plan = Plan(run.samples.clip_of, recipe.schedule.batch_size, recipe.schedule.epochs, recipe.seed)
        self._check_parts()
        self.loss = Loss(recipe, run.classes, None if run.teacher is None else run.teacher.gives_features)
        self.loss.modules.to(device)
        self.network = self.processes.shared_norms(run.network)
        self.optimizer = make_optimizer(self.network, recipe.optimizer, self.loss.modules)
        self.average = None if recipe.ema_decay is None else MovingAverage(self.network, recipe.ema_decay)
        self.wrapped = self.processes.wrap(self.network)
        embedding = Embedding(self.network) if self.loss.needs_features else None
        self.forward = Forward(
            self.wrapped, self.normalise, self.kind, run.void, embedding, run.teacher, self.processes.mean
        )
        self.iteration = 0
        self.miou: float | None = None
        self.best: float | None = None

    def _check_parts(self) -> None:
        size, parts = self.recipe.schedule.batch_size, self.recipe.schedule.accumulate * self.processes.count
        if size % parts:
            raise RecipeError(
                f"Found a batch of {size} for {self.processes.count} processes that take it in "
                f"{self.recipe.schedule.accumulate} parts, expected a multiple of {parts}."
            )

    def train(self, resume: bool) -> Trained:
        """Train, or go on from the folder's checkpoint.

        A run that was killed at any moment and resumed ends in the same weights, bit for bit, as one that was
        not, on the same machine with the same number of threads.

        Raises:
            TrainingError: the loss is not finite, a stop was asked for, or another process of the run is gone (the
                checkpoint is then written).
            CheckpointError, RecipeError: the checkpoint is missing, damaged or of another recipe.
        """
        if resume:
            self._restore(load_snapshot(self._snapshot_path))
        journal = Journal(self.run.folder, self.iteration) if self.processes.is_first else None
        try:
            with (
                deferred_interruption() as interruption,
                self.progress.task("train", self.plan.iterations) as task,
            ):
                task.advance(self.iteration)
                begun, first = time.monotonic(), self.iteration
                saved_at = begun
                self.wrapped.train()
                for batch in self._batches():
                    figures = self._step_of_all(batch, interruption)
                    stop = figures.pop("stop") > 0
                    self.iteration += 1
                    if self.iteration % self.plan.per_epoch == 0:
                        figures |= self._validate()
                    if journal is not None and ("miou" in figures or self.iteration % _LOG_EVERY == 0):
                        journal.write(self.iteration, epoch=self.iteration / self.plan.per_epoch, **figures)
                    now = time.monotonic()
                    left_s = (now - begun) / (self.iteration - first) * (self.plan.iterations - self.iteration)
                    task.advance(1, **self._shown(figures["loss"], left_s))
                    if now - saved_at >= self.recipe.checkpoint_every_s or stop:
                        self._save()
                        saved_at = now
                    if stop:
                        raise TrainingError(
                            f"Stopped on request after iteration {self.iteration} of {self.plan.iterations}.",
                            "Go on with --resume.",
                        )
                self._save()
        finally:
            if journal is not None:
                journal.close()
        released = self.network if self.average is None else self.average.network
        return Trained(released.eval(), self.iteration, self.miou, self.best)

    def _batches(self) -> Iterator[Batch]:
        try:
            yield from load_batches(
                self.run.samples, self.plan, self.iteration, self.recipe.workers, self.processes.share
            )
        except RuntimeError as error:
            # How torch's loader says that one of its processes is gone.
            if "DataLoader worker" not in str(error):
                raise
            raise TrainingError(
                f"A process that reads the data ended unexpectedly after iteration {self.iteration}.",
                "If memory is short, lower `workers`; go on with --resume.",
            ) from error

    def _step_of_all(self, batch: Batch, interruption: Interruption) -> dict[str, float]:
        """A step, and the checkpoint of the last one where another process of the run is gone."""
        try:
            return self.step(batch, interruption)
        except RuntimeError as error:
            if self.processes.count == 1 or not is_lost_process(error):
                raise
            self._save()
            raise TrainingError(
                f"Another process of the run ended in iteration {self.iteration + 1} of {self.plan.iterations}.",
                "See what it says; then start all of them again with --resume.",
            ) from error

    def step(self, batch: Batch, interruption: Interruption) -> dict[str, float]:
        """One step: forward, loss, backward, optimiser. The figures of it, and whether a stop was asked for."""
        rate = set_rate(
            self.optimizer, self.recipe.optimizer, self.recipe.schedule, self.iteration, self.plan.iterations
        )
        self.optimizer.zero_grad(set_to_none=True)
        parts = batch.parts(self.recipe.schedule.accumulate)
        sums: dict[str, torch.Tensor] = {}
        for number, part in enumerate(parts):
            last = number == len(parts) - 1
            with nullcontext() if last else self.processes.without_exchange(self.wrapped):
                total, values = self.loss(self.forward(part), self.iteration / self.plan.iterations)
                share = total / len(parts)
                share.backward()  # type: ignore[no-untyped-call]
            for name, value in {
                "loss": total.detach(),
                **{f"loss/{name}": one for name, one in values.items()},
            }.items():
                sums[name] = sums.get(name, torch.zeros_like(value)) + value / len(parts)
        stop = torch.tensor(float(interruption.requested), device=self.processes.device)
        means = self.processes.mean(torch.stack([*sums.values(), stop]))
        figures = dict(zip([*sums, "stop"], means.tolist(), strict=True))
        if not math.isfinite(figures["loss"]):
            raise TrainingError(
                f"Found a loss of {figures['loss']} at iteration {self.iteration}.",
                "Lower optimizer.lr, or raise schedule.warmup_iterations.",
            )
        self.processes.mean_gradients(self.loss.modules)
        self.optimizer.step()
        if self.average is not None:
            self.average.update(self.network, self.iteration)
        return {**figures, "lr": rate}

    def _validate(self) -> dict[str, float]:
        if not self.run.held_out or not self.processes.is_first:
            return {}
        judged = self.network if self.average is None else self.average.network
        found = held_out_figures(
            judged,
            self.run.held_out,
            self.recipe.input_size_hw,
            self.run.classes,
            self.run.void,
            self.normalise,
            self.kind,
        )
        self.miou = found.miou
        self.best = self.miou if self.best is None else max(self.best, self.miou)
        return {"miou": found.miou, "tc": found.tc}

    def _shown(self, loss: float, left_s: float) -> dict[str, str]:
        shown = {"loss": f"{loss:.3f}"}
        if self.miou is not None:
            shown["mIoU"] = f"{self.miou:.3f}"
        shown["left"] = f"{left_s / 60:.0f} min" if left_s >= 90 else f"{left_s:.0f} s"
        return shown

    @property
    def _snapshot_path(self) -> Path:
        return self.run.folder / SNAPSHOT

    def _save(self) -> None:
        if not self.processes.is_first:
            return
        average = None if self.average is None else self.average.network.state_dict()
        save_snapshot(
            Snapshot(
                self.iteration,
                comparable(self.recipe),
                self.network.state_dict(),
                self.optimizer.state_dict(),
                average,
                self.loss.modules.state_dict(),
                {"last": self.miou, "best": self.best},
                generator_states(),
            ),
            self._snapshot_path,
        )

    def _restore(self, snapshot: Snapshot) -> None:
        if snapshot.recipe != comparable(self.recipe):
            raise RecipeError(
                f"Found a checkpoint in {self.run.folder} that was made with another recipe.",
                "Resume with the recipe it was started with, or start anew with another --out.",
            )
        self.network.load_state_dict(snapshot.network)
        self.loss.modules.load_state_dict(snapshot.terms)
        self.optimizer.load_state_dict(snapshot.optimizer)
        if self.average is not None and snapshot.average is not None:
            self.average.network.load_state_dict(snapshot.average)
        self.iteration = snapshot.iteration
        self.miou, self.best = snapshot.miou["last"], snapshot.miou["best"]
        restore_generators(snapshot.generators)


def comparable(recipe: TrainRecipe) -> str:
    """The recipe as JSON without what does not change the result: workers, pace of checkpoints, places of files."""
    plain = msgspec.to_builtins(recipe)
    for name in ("workers", "checkpoint_every_s", "pretrained", "start"):
        plain.pop(name)
    for part, name in (("data", "path"), ("teacher", "path"), ("pairs", "store")):
        if plain[part] is not None:
            plain[part].pop(name, None)
    return msgspec.json.encode(plain, order="sorted").decode()
