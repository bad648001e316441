"""The training loop: one step after another, whatever the terms of the loss."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch import Tensor, nn

from etc_edge.core.errors import RecipeError, TrainingError
from etc_edge.core.progress import Progress
from etc_edge.losses.table import TERMS
from etc_edge.losses.term import FrameOutputs, StepOutputs, Term
from etc_edge.training.interruption import deferred_interruption
from etc_edge.training.journal import Journal
from etc_edge.training.normalisation import Normalisation
from etc_edge.training.optimisation import MovingAverage, make_optimizer, set_rate
from etc_edge.training.precision import autocast, autocast_type
from etc_edge.training.recipe import TrainRecipe
from etc_edge.training.samples import AugmentedFrames, Batch, Labelled, Plan, load_batches
from etc_edge.training.snapshot import (
    Snapshot,
    generator_states,
    load_snapshot,
    restore_generators,
    save_snapshot,
)
from etc_edge.training.validation import held_out_miou

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
    """

    recipe: TrainRecipe
    network: nn.Module
    samples: AugmentedFrames
    held_out: list[Labelled]
    classes: int
    void: int
    folder: Path


@dataclass(frozen=True)
class Trained:
    """A finished run: the network to release (the moving average where there is one) and its figures."""

    network: nn.Module
    iterations: int
    miou: float | None
    best_miou: float | None


@dataclass(frozen=True)
class WeightedTerm:
    """A term of the loss with the recipe's name and weight for it."""

    name: str
    weight: float
    term: Term


def make_terms(recipe: TrainRecipe, classes: int) -> list[WeightedTerm]:
    """The loss of a recipe.

    Raises:
        RecipeError: a term's settings do not fit the classes, or the data that is trained on cannot give what it needs.
    """
    terms = []
    for entry in recipe.losses:
        settings: dict[str, Any] = msgspec.structs.asdict(entry)
        weight = settings.pop("weight")
        name = str(type(entry).__struct_config__.tag)
        class_weights = settings.get("class_weights")
        if class_weights is not None and len(class_weights) != classes:
            raise RecipeError(
                f"Found {len(class_weights)} class_weights for the loss {name}, expected {classes}, one a class."
            )
        term = TERMS.load(name)(**settings)
        lacking = term.needs - {"labels"}
        if lacking:
            raise RecipeError(f"Found the loss {name}, which needs {', '.join(sorted(lacking))}, expected labels only.")
        terms.append(WeightedTerm(name, weight, term))
    return terms


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
        self.run, self.recipe, self.progress = run, recipe, progress
        self.network = run.network
        self.device = next(run.network.parameters()).device
        self.kind = autocast_type(recipe.precision, self.device)
        self.normalise = Normalisation(recipe.mean_rgb, recipe.std_rgb, self.device)
        self.plan = Plan(run.samples.clip_of, recipe.schedule.batch_size, recipe.schedule.epochs, recipe.seed)
        self.terms = make_terms(recipe, run.classes)
        self.optimizer = make_optimizer(run.network, recipe.optimizer)
        self.average = None if recipe.ema_decay is None else MovingAverage(run.network, recipe.ema_decay)
        self.iteration = 0
        self.miou: float | None = None
        self.best: float | None = None

    def train(self, resume: bool) -> Trained:
        """Train, or go on from the folder's checkpoint.

        A run that was killed at any moment and resumed ends in the same weights, bit for bit, as one that was
        not, on the same machine with the same number of threads.

        Raises:
            TrainingError: the loss is not finite, or a stop was asked for (the checkpoint is then written).
            CheckpointError, RecipeError: the checkpoint is missing, damaged or of another recipe.
        """
        if resume:
            self._restore(load_snapshot(self._snapshot_path))
        journal = Journal(self.run.folder, self.iteration)
        try:
            with (
                deferred_interruption() as interruption,
                self.progress.task("train", self.plan.iterations) as task,
            ):
                task.advance(self.iteration)
                begun, first = time.monotonic(), self.iteration
                saved_at = begun
                self.network.train()
                for batch in self._batches():
                    figures = self._step(batch)
                    self.iteration += 1
                    if self.iteration % self.plan.per_epoch == 0:
                        figures |= self._validate()
                    if "miou" in figures or self.iteration % _LOG_EVERY == 0:
                        journal.write(self.iteration, epoch=self.iteration / self.plan.per_epoch, **figures)
                    now = time.monotonic()
                    left_s = (now - begun) / (self.iteration - first) * (self.plan.iterations - self.iteration)
                    task.advance(1, **self._shown(figures["loss"], left_s))
                    if now - saved_at >= self.recipe.checkpoint_every_s or interruption.requested:
                        self._save()
                        saved_at = now
                    if interruption.requested:
                        raise TrainingError(
                            f"Stopped on request after iteration {self.iteration} of {self.plan.iterations}.",
                            "Go on with --resume.",
                        )
                self._save()
        finally:
            journal.close()
        released = self.network if self.average is None else self.average.network
        return Trained(released.eval(), self.iteration, self.miou, self.best)

    def _batches(self) -> Iterator[Batch]:
        try:
            yield from load_batches(self.run.samples, self.plan, self.iteration, self.recipe.workers)
        except RuntimeError as error:
            # How torch's loader says that one of its processes is gone.
            if "DataLoader worker" not in str(error):
                raise
            raise TrainingError(
                f"A process that reads the data ended unexpectedly after iteration {self.iteration}.",
                "If memory is short, lower `workers`; go on with --resume.",
            ) from error

    def _step(self, batch: Batch) -> dict[str, float]:
        rate = set_rate(
            self.optimizer, self.recipe.optimizer, self.recipe.schedule, self.iteration, self.plan.iterations
        )
        outputs = self._forward(batch)
        values = [(entry, entry.term(outputs)) for entry in self.terms]
        loss = torch.stack([entry.weight * value for entry, value in values]).sum()
        if not math.isfinite(float(loss.detach())):
            raise TrainingError(
                f"Found a loss of {float(loss.detach())} at iteration {self.iteration}.",
                "Lower optimizer.lr, or raise schedule.warmup_iterations.",
            )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        if self.average is not None:
            self.average.update(self.network, self.iteration)
        terms = {f"loss/{entry.name}": float(value.detach()) for entry, value in values}
        return {"loss": float(loss.detach()), "lr": rate, **terms}

    def _forward(self, batch: Batch) -> StepOutputs:
        """All frames of all samples through the network as one batch, so that batch norm sees them together."""
        images = [self.normalise(frames) for frames in batch.frames]
        with autocast(self.kind, self.device):
            logits, auxiliary = self.network(torch.cat(images) if len(images) > 1 else images[0])
        count = images[0].shape[0]
        parts: list[Tensor] = list(logits.split(count))
        auxiliaries = [None] * len(parts) if auxiliary is None else list(auxiliary.split(count))
        frames = tuple(FrameOutputs(*parts_of_one) for parts_of_one in zip(images, parts, auxiliaries, strict=True))
        return StepOutputs(frames, batch.labels.to(self.device).long(), self.run.void)

    def _validate(self) -> dict[str, float]:
        if not self.run.held_out:
            return {}
        judged = self.network if self.average is None else self.average.network
        self.miou = held_out_miou(
            judged,
            self.run.held_out,
            self.recipe.input_size_hw,
            self.run.classes,
            self.run.void,
            self.normalise,
            self.kind,
        )
        self.best = self.miou if self.best is None else max(self.best, self.miou)
        return {"miou": self.miou}

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
        average = None if self.average is None else self.average.network.state_dict()
        save_snapshot(
            Snapshot(
                self.iteration,
                comparable(self.recipe),
                self.network.state_dict(),
                self.optimizer.state_dict(),
                average,
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
        self.optimizer.load_state_dict(snapshot.optimizer)
        if self.average is not None and snapshot.average is not None:
            self.average.network.load_state_dict(snapshot.average)
        self.iteration = snapshot.iteration
        self.miou, self.best = snapshot.miou["last"], snapshot.miou["best"]
        restore_generators(snapshot.generators)


def comparable(recipe: TrainRecipe) -> str:
    """The recipe as JSON without what does not change the result: workers, cadence of checkpoints, and paths."""
    plain = msgspec.to_builtins(recipe)
    for name in ("workers", "checkpoint_every_s", "pretrained", "start"):
        plain.pop(name)
    plain["data"].pop("path")
    return msgspec.json.encode(plain, order="sorted").decode()
