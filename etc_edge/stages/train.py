"""Train a network from a recipe."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from etc_edge.core.atomic import atomic_file
from etc_edge.core.errors import CheckpointError, RecipeError, TrainingError
from etc_edge.core.optional import require
from etc_edge.core.preprocessing import Preprocessing
from etc_edge.core.progress import Progress, Silent

if TYPE_CHECKING:
    from torch import nn

    from etc_edge.core.labels import LabelSet
    from etc_edge.training.frames import Labelled
    from etc_edge.training.loop import Learner, Run
    from etc_edge.training.processes import Processes
    from etc_edge.training.recipe import TrainRecipe
    from etc_edge.training.samples import AugmentedFrames
    from etc_edge.training.watch import Examination

WEIGHTS = "model.safetensors"
RECIPE = "recipe.yaml"
# The estimate is a mean over many pixels of each frame: a hundred frames settle it.
_STATISTICS_BATCHES = 12


@dataclass(frozen=True)
class TrainingResult:
    """Where the weights are, and mIoU on the held-out frames (None where none were held out).

    Of several processes only the first has mIoU and reports; see `is_first`.
    """

    weights: Path
    iterations: int
    miou: float | None
    is_first: bool = True


def train(
    recipe_path: Path,
    out: Path,
    data: str | None = None,
    resume: bool = False,
    pretrained: Path | None = None,
    start: Path | None = None,
    teacher: Path | None = None,
    seed: int | None = None,
    progress: Progress | None = None,
) -> TrainingResult:
    """Follow a training recipe.

    Args:
        recipe_path: YAML; see TrainRecipe.
        out: the run's folder: `checkpoint.pt`, `metrics.jsonl`, `recipe.yaml`, `tensorboard/`, and at the end
            `model.safetensors`.
        data: folder or spec of the data set, instead of the recipe's.
        resume: go on from the folder's checkpoint.
        pretrained: the ImageNet weights, or the folder that the recipe's `pretrained` is in.
        start: weights of the whole network to go on from, instead of the recipe's `start`.
        teacher: weights or bundle of the teacher, instead of the recipe's `teacher.path`.
        seed: instead of the recipe's.
        progress: where to report.

    Raises:
        EtcEdgeError: anything that the recipe, the data or the weights lack.
    """
    require("torch", "train", "training")
    import msgspec

    from etc_edge.core.recipe import load_recipe
    from etc_edge.models.released import Released, save_released
    from etc_edge.training.loop import SNAPSHOT, Training
    from etc_edge.training.processes import training_processes
    from etc_edge.training.recipe import TrainRecipe

    progress = Silent() if progress is None else progress
    recipe = load_recipe(recipe_path, TrainRecipe)
    if seed is not None:
        recipe = msgspec.structs.replace(recipe, seed=seed)
    if (out / SNAPSHOT).exists() and not resume:
        raise TrainingError(f"Found a run in {out} already.", "Go on with --resume, or choose another --out.")
    if resume and not (out / SNAPSHOT).exists():
        raise CheckpointError(f"Found no run to resume in {out}.", "Start it without --resume.")
    weights = out / WEIGHTS
    with training_processes() as processes:
        if not processes.is_first:
            progress = Silent()
        named = _with_files(recipe, data, pretrained, start, teacher)
        run, label_set = _prepare(named, out, resume, processes, progress)
        training = Training(run, progress)
        if not resume and processes.is_first:
            with atomic_file(out / RECIPE) as temporary:
                temporary.write_bytes(msgspec.yaml.encode(recipe))
        trained = training.train(resume)
        if processes.is_first:
            preprocessing = Preprocessing(recipe.input_size_hw, recipe.mean_rgb, recipe.std_rgb)
            save_released(Released(recipe.network, trained.network, label_set, preprocessing), weights)
    return TrainingResult(weights, trained.iterations, trained.watch.last.get("miou"), processes.is_first)


def _with_files(
    recipe: TrainRecipe, data: str | None, pretrained: Path | None, start: Path | None, teacher: Path | None
) -> TrainRecipe:
    """The recipe with the command's files in place of its own; `recipe.yaml` keeps it as it came."""
    import msgspec

    named = recipe.pretrained
    if pretrained is not None and pretrained.is_dir():
        named = None if named is None else str(pretrained / named)
    elif pretrained is not None:
        named = str(pretrained)
    if teacher is not None and recipe.teacher is None:
        raise RecipeError(f"Found the teacher {teacher} for a recipe without one.", "Add a teacher to the recipe.")
    taught = recipe.teacher
    if taught is not None and teacher is not None:
        taught = msgspec.structs.replace(taught, path=str(teacher))
    return msgspec.structs.replace(
        recipe,
        data=msgspec.structs.replace(recipe.data, path=data or recipe.data.path),
        pretrained=named,
        teacher=taught,
        start=recipe.start if start is None else str(start),
    )


def _prepare(
    recipe: TrainRecipe, out: Path, resume: bool, processes: Processes, progress: Progress
) -> tuple[Run, LabelSet]:
    import torch

    from etc_edge.data.dataset import open_dataset
    from etc_edge.models.table import build_network
    from etc_edge.training.frames import hold_out, labelled_frames
    from etc_edge.training.loop import Learner, Run, comparable
    from etc_edge.training.normalisation import Normalisation
    from etc_edge.training.optimisation import make_optimizer
    from etc_edge.training.pairs.source import open_pairs
    from etc_edge.training.samples import AugmentedFrames, SampleMakers
    from etc_edge.training.teaching import open_teacher
    from etc_edge.training.terms import Loss
    from etc_edge.training.whole_frames import check_teacher

    spec = recipe.data.path
    if spec is None:
        raise RecipeError("Found no data to train on.", "Name it with --data or in the recipe's data.path.")
    dataset = open_dataset(spec, recipe.data.kind)
    frames = labelled_frames(dataset.clips(recipe.data.split), f"split {recipe.data.split!r} of {spec}")
    trained_on, held_out = hold_out(frames, recipe.data.holdout, recipe.data.holdout_blocks)
    pairs = None if recipe.pairs is None else open_pairs(recipe.pairs, recipe.input_size_hw, recipe.mean_rgb)
    if pairs is not None:
        pairs.check(trained_on)
    # A teacher's outputs take minutes: what the loss lacks is said before.
    Loss(recipe, len(dataset.label_set), None if recipe.teacher is None else check_teacher(recipe.teacher))
    teaching = open_teacher(recipe, dataset.label_set, trained_on, pairs, processes, progress)
    samples = AugmentedFrames(
        trained_on, recipe.augmentation, recipe.input_size_hw, recipe.mean_rgb, dataset.label_set.void, recipe.seed,
        SampleMakers(pairs, teaching.store),
    )  # fmt: skip
    torch.manual_seed(recipe.seed)
    network = build_network(recipe.network, len(dataset.label_set))
    network.to(processes.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if not resume:
        _start(network, recipe, samples, progress)
    learner = Learner(
        network,
        lambda trained, terms: make_optimizer(trained, recipe.optimizer, terms),
        Normalisation(recipe.mean_rgb, recipe.std_rgb, processes.device),
    )
    run = Run(
        recipe, comparable(recipe), learner, samples, _examination(recipe, held_out, dataset.label_set, learner),
        len(dataset.label_set), dataset.label_set.void, out, teaching.teacher, processes,
    )  # fmt: skip
    return run, dataset.label_set


def _examination(recipe: TrainRecipe, held_out: list[Labelled], labels: LabelSet, learner: Learner) -> Examination:
    """Once an epoch mIoU and steadiness on the frames that are held out, in the number format of training."""
    from etc_edge.training.precision import autocast_type
    from etc_edge.training.validation import HeldOut, copies, network_labels
    from etc_edge.training.watch import Examination

    if not held_out:
        return Examination()
    size_hw, normalise = recipe.input_size_hw, learner.normalise
    kind = autocast_type(recipe.precision, normalise.device)
    frames = HeldOut(held_out, size_hw, len(labels), labels.void, copies(size_hw, recipe.mean_rgb))
    return Examination(lambda network: frames.figures(network_labels(network, size_hw, normalise, kind)))


def _start(network: nn.Module, recipe: TrainRecipe, samples: AugmentedFrames, progress: Progress) -> None:
    """Read the weights to start from: the whole network's, or the backbone's from ImageNet."""
    from etc_edge.models.checkpoint import load_checkpoint
    from etc_edge.models.pretrained import estimate_statistics, load_backbone
    from etc_edge.training.batches import load_batches
    from etc_edge.training.normalisation import Normalisation
    from etc_edge.training.plan import Plan
    from etc_edge.training.precision import autocast, autocast_type

    if recipe.start is not None:
        loaded = load_checkpoint(network, Path(recipe.start)).loaded
        progress.say(f"network from {Path(recipe.start).name}: {len(loaded)} tensors")
        return
    if recipe.pretrained is None:
        return
    start = load_backbone(network, Path(recipe.pretrained))
    progress.say(f"backbone from {Path(recipe.pretrained).name}: {len(start.loaded)} tensors")
    if not start.needs_statistics:
        return
    progress.say("its batch norms hold no statistics: estimating them on the training frames")
    device = next(network.parameters()).device
    normalise = Normalisation(recipe.mean_rgb, recipe.std_rgb, device)
    size = recipe.schedule.batch_size
    batches = islice(load_batches(samples, Plan(samples.clip_of, size, 1, recipe.seed), 0, 0), _STATISTICS_BATCHES)
    with autocast(autocast_type(recipe.precision, device), device):
        estimate_statistics(network, (normalise(batch.frames[0]) for batch in batches))
