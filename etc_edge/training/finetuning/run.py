"""A run that trains a quantized graph: what the loop needs, made of graphs, frames and a recipe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import msgspec
import numpy as np
import onnx
from torch import nn

from etc_edge.core.errors import RecipeError
from etc_edge.core.hashing import sha256_bytes
from etc_edge.core.labels import LabelSet
from etc_edge.core.preprocessing import Preprocessing
from etc_edge.graph.load import to_bytes
from etc_edge.training.finetuning.deployed import deployed_labels
from etc_edge.training.finetuning.network import AsFrames, GraphNetwork, adam, features_before, trained_logits
from etc_edge.training.finetuning.recipe import FinetuneRecipe, Metric
from etc_edge.training.frames import Labelled, hold_out
from etc_edge.training.loop import Learner, Run
from etc_edge.training.normalisation import Normalisation
from etc_edge.training.pairs.source import PairSource, open_pairs
from etc_edge.training.processes import Processes
from etc_edge.training.recipe import DenseRecipe
from etc_edge.training.samples import AugmentedFrames, SampleMakers
from etc_edge.training.teacher import LiveTeacher
from etc_edge.training.terms import Loss
from etc_edge.training.validation import HeldOut, copies
from etc_edge.training.watch import Examination


@dataclass(frozen=True)
class Graphs:
    """What is trained and what it is compared with.

    Args:
        quantized: the deployed graph with Q/DQ pairs.
        floating: the float graph that it was made of, equalised as it is, nodes and tensors by the same names.
        logits: the tensor that labels are the argmax of.
        labels: classes and void.
        preprocessing: size and normalisation, which are in the graphs.
    """

    quantized: onnx.ModelProto
    floating: onnx.ModelProto
    logits: str
    labels: LabelSet
    preprocessing: Preprocessing


@dataclass(frozen=True)
class Prepared:
    """A run, and what the float graph does on the frames that it is watched on.

    Args:
        run: for the loop.
        reference: figures of the float graph; empty in processes that do not look.
        trained_on: number of frames that are trained on.
        held_back: number of frames that are looked at.
    """

    run: Run
    reference: dict[str, float]
    trained_on: int
    held_back: int


def prepare_run(
    graphs: Graphs, frames: Sequence[Labelled], recipe: FinetuneRecipe, folder: Path, processes: Processes
) -> Prepared:
    """All that the loop needs to train a quantized graph.

    Args:
        graphs: see there.
        frames: of the training clips; a share of them is held back.
        recipe: how to go about it.
        folder: of the run.
        processes: this process among all of the run.

    Raises:
        RecipeError: the losses or metrics need what the frames or the graphs do not give.
        GraphError: the graph has operators that torch cannot run here; all of them are named.
    """
    size_hw, border = graphs.preprocessing.size_hw, graphs.preprocessing.mean_rgb
    trained_on, held_back = hold_out(frames, recipe.data.holdout, recipe.data.holdout_blocks)
    pairs = None if recipe.pairs is None else open_pairs(recipe.pairs, size_hw, border)
    if pairs is not None:
        pairs.check(trained_on)
    learning, classes = recipe.learning(), len(graphs.labels)
    features = features_before(graphs.quantized, graphs.logits)
    needs = {need for entry in Loss(learning, classes, True, recipe.needs_labels).terms for need in entry.term.needs}
    if "teacher_features" in needs and features is None:
        raise RecipeError(
            "Found a loss that compares features for a graph whose last convolution reads no map of them.",
            "Leave pairwise and multi_frame out of finetune.losses.",
        )
    metrics = _metrics(recipe)
    logits = trained_logits(graphs.quantized, graphs.logits)
    network = GraphNetwork(graphs.quantized, logits, features if "features" in needs else None)
    network.graph.take_latents(graphs.floating)
    network.to(processes.device)
    as_frames, teacher = AsFrames(processes.device), None
    if "teacher" in needs or "teacher_features" in needs:
        taught = features_before(graphs.floating, graphs.logits) if "teacher_features" in needs else None
        floating = GraphNetwork(graphs.floating, logits, taught).to(processes.device)
        teacher = LiveTeacher(floating, as_frames, taught is not None)
    normalise = Normalisation(border, graphs.preprocessing.std_rgb, processes.device)
    samples = AugmentedFrames(
        trained_on, recipe.augmentation.for_size(size_hw), size_hw, border, graphs.labels.void, recipe.seed,
        SampleMakers(pairs),
    )  # fmt: skip
    examination, reference, count = Examination(), dict[str, float](), 0
    if held_back:
        held = _held_out(held_back, recipe, pairs, graphs)
        examination, reference, count = *_examination(held, metrics, recipe, graphs, processes), len(held.frames)
    learner = Learner(
        network, lambda trained, terms: adam(trained, recipe.lr, recipe.scale_lr, terms), normalise, as_frames
    )
    run = Run(
        learning, _identity(recipe, graphs), learner, samples, examination, classes, graphs.labels.void, folder,
        teacher, processes, recipe.needs_labels,
    )  # fmt: skip
    return Prepared(run, reference, len(trained_on), count)


def _metrics(recipe: FinetuneRecipe) -> tuple[Metric, ...]:
    chosen = recipe.examination.metrics
    if chosen is None:
        return ("miou", "tc") if recipe.needs_labels else ("agreement", "tc")
    if "miou" in chosen and not recipe.needs_labels:
        raise RecipeError(
            "Found the metric miou for fine-tuning without labels.",
            "Choose agreement, tc or flicker, or add cross_entropy to finetune.losses.",
        )
    return chosen


def _held_out(frames: list[Labelled], recipe: FinetuneRecipe, pairs: PairSource | None, graphs: Graphs) -> HeldOut:
    """At most so many frames as the recipe says, with their neighbours in the clip or with moved copies."""
    size_hw, places = graphs.preprocessing.size_hw, np.linspace(0, len(frames) - 1, recipe.examination.frames)
    chosen = [frames[place] for place in np.unique(places.round().astype(int))]
    if pairs is None or not isinstance(recipe.pairs, DenseRecipe):
        pairs = copies(size_hw, graphs.preprocessing.mean_rgb)
    else:
        pairs.check(chosen)
    return HeldOut(chosen, size_hw, len(graphs.labels), graphs.labels.void, pairs)


def _examination(
    held: HeldOut, metrics: tuple[Metric, ...], recipe: FinetuneRecipe, graphs: Graphs, processes: Processes
) -> tuple[Examination, dict[str, float]]:
    """How the run is watched, and the float graph's figures. Where it does not look, it still knows when others do."""
    reference_labels, reference = None, dict[str, float]()
    if processes.is_first:
        floating = deployed_labels(graphs.floating)
        reference_labels, reference = held.labels(floating), held.figures(floating)

    def examine(network: nn.Module) -> dict[str, float]:
        return held.figures(deployed_labels(cast(GraphNetwork, network).graph.write_back()), reference_labels)

    wanted = recipe.examination
    return Examination(examine, wanted.every_steps, metrics, wanted.patience), reference


def _identity(recipe: FinetuneRecipe, graphs: Graphs) -> str:
    """The recipe as JSON without what does not change the result, and what it starts from."""
    plain = msgspec.to_builtins(recipe)
    for name in ("workers", "checkpoint_every_s"):
        plain.pop(name)
    for part, name in (("data", "path"), ("pairs", "store")):
        if plain[part] is not None:
            plain[part].pop(name, None)
    plain["quantized"] = sha256_bytes(to_bytes(graphs.quantized))
    return msgspec.json.encode(plain, order="sorted").decode()
