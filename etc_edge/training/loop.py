"""The training loop: one step after another, whatever the terms of the loss."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import msgspec
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from etc_edge.core.errors import RecipeError, TrainingError
from etc_edge.core.progress import Progress
from etc_edge.training.batches import Batch, load_batches
from etc_edge.training.embedding import Embedding
from etc_edge.training.interruption import Interruption, deferred_interruption
from etc_edge.training.journal import Journal
from etc_edge.training.normalisation import Normalisation
from etc_edge.training.optimisation import MovingAverage, set_rate
from etc_edge.training.plan import Plan
from etc_edge.training.precision import autocast_type
from etc_edge.training.processes import Processes, is_lost_process
from etc_edge.training.recipe import LearningRecipe, TrainRecipe
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
from etc_edge.training.watch import Examination, Watch

SNAPSHOT = "checkpoint.pt"
_LOG_EVERY = 10
# Figures beside the bar, and what they are called there.
_SHOWN = {"miou": "mIoU", "tc": "tc", "agreement": "agreement"}


@dataclass(frozen=True)
class Learner:
    """What a run trains.

    Args:
        network: on its device; in training it gives (logits, auxiliary logits or None), in evaluation logits.
        optimizer: makes the optimiser of the network and of those terms of the loss that learn. Each of its groups
            has a `peak`, the rate at the height of the schedule.
        normalise: uint8 frames to images, which terms of the loss compare.
        as_input: uint8 frames to what the network takes; None where that is the images.
    """

    network: nn.Module
    optimizer: Callable[[nn.Module, nn.Module], Optimizer]
    normalise: Normalisation
    as_input: Callable[[Tensor], Tensor] | None = None


@dataclass(frozen=True)
class Run:
    """What a run is made of.

    Args:
        recipe: how to go about it.
        identity: the whole recipe as text, to refuse a resumption with another one.
        learner: what is trained.
        samples: what it is trained on.
        examination: how it is watched.
        classes: number of classes.
        void: the label value that is left out.
        folder: where checkpoint and journal go.
        teacher: what is distilled from, or None.
        processes: this process among all of the run.
        labelled: whether the samples have labels.
    """

    recipe: LearningRecipe
    identity: str
    learner: Learner
    samples: AugmentedFrames
    examination: Examination
    classes: int
    void: int
    folder: Path
    teacher: Teacher | None
    processes: Processes
    labelled: bool = True


@dataclass(frozen=True)
class Trained:
    """A finished run.

    Args:
        network: to release: the moving average where there is one, the best where the examination chooses.
        iterations: steps done.
        watch: what examinations found.
    """

    network: nn.Module
    iterations: int
    watch: Watch


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
        schedule, learner = recipe.schedule, run.learner
        self.plan = Plan(run.samples.clip_of, schedule.batch_size, schedule.epochs, recipe.seed, schedule.steps)
        self._check_parts()
        gives_features = None if run.teacher is None else run.teacher.gives_features
        self.loss = Loss(recipe, run.classes, gives_features, run.labelled)
        self.loss.modules.to(device)
        self.network = self.processes.shared_norms(learner.network)
        self.optimizer = learner.optimizer(self.network, self.loss.modules)
        self.average = None if recipe.ema_decay is None else MovingAverage(self.network, recipe.ema_decay)
        self.wrapped = self.processes.wrap(self.network)
        embedding = Embedding(self.network) if self.loss.needs_features else None
        self.forward = Forward(
            self.wrapped, learner.normalise, learner.as_input, self.kind, run.void, embedding, run.teacher,
            self.processes.mean,
        )  # fmt: skip
        self.iteration = 0
        self.watch = Watch(run.examination)

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
                if self.iteration == 0 and self._examined() and journal is not None:
                    journal.write(0, epoch=0.0, **self.watch.last)
                ended = self._ended()
                for batch in () if ended else self._batches():
                    figures = self._step_of_all(batch, interruption)
                    stop = figures.pop("stop") > 0
                    self.iteration += 1
                    examined = self._examined()
                    if examined:
                        figures |= self.watch.last
                        ended = self._ended()
                    if journal is not None and (examined or self.iteration % _LOG_EVERY == 0):
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
                    if ended:
                        break
                self._save()
        finally:
            if journal is not None:
                journal.close()
        released = self._judged()
        if self.watch.chosen is not None:
            released.load_state_dict(self.watch.chosen)
        return Trained(released.eval(), self.iteration, self.watch)

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
        rate = set_rate(self.optimizer, self.recipe.schedule, self.iteration, self.plan.iterations)
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
                "Lower the learning rate, or warm up for longer.",
            )
        self.processes.mean_gradients(self.loss.modules)
        self.optimizer.step()
        if self.average is not None:
            self.average.update(self.network, self.iteration)
        return {**figures, "lr": rate}

    def _judged(self) -> nn.Module:
        return self.network if self.average is None else self.average.network

    def _examined(self) -> bool:
        """Examine the network if it is time; the first process does. Whether it was time."""
        if not self.watch.due(self.iteration, self.plan.per_epoch, self.plan.iterations):
            return False
        if self.processes.is_first:
            self.watch.take(self._judged(), self.iteration)
        return True

    def _ended(self) -> bool:
        """Whether the first process has seen enough, as all of them learn."""
        own = torch.tensor(float(self.watch.seen_enough), device=self.processes.device)
        return float(self.processes.mean(own)) > 0.0

    def _shown(self, loss: float, left_s: float) -> dict[str, str]:
        shown = {"loss": f"{loss:.3f}"}
        shown |= {_SHOWN[name]: f"{value:.4f}" for name, value in self.watch.last.items() if name in _SHOWN}
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
                self.run.identity,
                self.network.state_dict(),
                self.optimizer.state_dict(),
                average,
                self.loss.modules.state_dict(),
                self.watch.state(),
                self.watch.chosen,
                generator_states(),
            ),
            self._snapshot_path,
        )

    def _restore(self, snapshot: Snapshot) -> None:
        if snapshot.recipe != self.run.identity:
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
        self.watch.restore(snapshot.watched, snapshot.chosen)
        restore_generators(snapshot.generators)


def comparable(recipe: TrainRecipe) -> str:
    """A training recipe as JSON without what does not change the result: workers, checkpoints, places of files."""
    plain = msgspec.to_builtins(recipe)
    for name in ("workers", "checkpoint_every_s", "pretrained", "start"):
        plain.pop(name)
    for part, name in (("data", "path"), ("teacher", "path"), ("pairs", "store")):
        if plain[part] is not None:
            plain[part].pop(name, None)
    return msgspec.json.encode(plain, order="sorted").decode()
