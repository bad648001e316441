"""From a recipe's teacher to what samples and steps take from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from etc_edge.backends.cache import cache_folder, lock
from etc_edge.core.bundle import is_bundle
from etc_edge.core.labels import LabelSet
from etc_edge.core.progress import Progress
from etc_edge.training.frames import Labelled, fitted
from etc_edge.training.pairs.source import PairSource
from etc_edge.training.processes import Processes
from etc_edge.training.recipe import TrainRecipe
from etc_edge.training.teacher import CachedTeacher, LiveTeacher, Teacher
from etc_edge.training.teacher_store import TeacherStore
from etc_edge.training.whole_frames import FrameTeacher, load_teacher_network, open_frame_teacher, teacher_identity


@dataclass(frozen=True)
class Teaching:
    """The teacher of the steps, and where samples read what it made of whole frames; None where there is none."""

    teacher: Teacher | None = None
    store: TeacherStore | None = None


def open_teacher(
    recipe: TrainRecipe,
    labels: LabelSet,
    frames: Sequence[Labelled],
    pairs: PairSource | None,
    processes: Processes,
    progress: Progress,
) -> Teaching:
    """The teacher of a recipe; the outputs of a cached one are worked out now, as far as they are not there yet.

    They are kept in the user's cache by everything that they depend on, so runs share them.

    Raises:
        RecipeError: it has other classes, or its network is not named.
        CheckpointError, BundleError: the file is missing or does not fit.
    """
    taught = recipe.teacher
    if taught is None:
        return Teaching()
    if not taught.cached and not is_bundle(taught.path):
        return Teaching(LiveTeacher(*load_teacher_network(taught, labels, processes.device)))
    folder = cache_folder() / "teachers" / teacher_identity(taught, recipe.input_size_hw)
    store = TeacherStore(folder, recipe.input_size_hw)
    with lock(folder):
        teacher = open_frame_teacher(taught, labels, processes.device)
        _fill(store, teacher, _needed(frames, pairs), progress)
    crop_hw = recipe.augmentation.crop_hw
    return Teaching(CachedTeacher(crop_hw, teacher.stride, teacher.gives_features, processes.device), store)


def _needed(frames: Sequence[Labelled], pairs: PairSource | None) -> list[Labelled]:
    """Every frame that samples may show, once."""
    found: dict[tuple[str, int], Labelled] = {}
    for frame in frames:
        for index in [frame.index] if pairs is None else pairs.frames_of(frame):
            found.setdefault((frame.clip.name, index), Labelled(frame.clip, index))
    return list(found.values())


def _fill(store: TeacherStore, teacher: FrameTeacher, frames: Sequence[Labelled], progress: Progress) -> None:
    missing = [frame for frame in frames if not store.has(frame.clip.name, frame.index)]
    if missing:
        with progress.task("teacher", len(missing)) as task:
            for frame in missing:
                image = fitted(frame.clip[frame.index].image_rgb, store.input_size_hw)
                store.save(frame.clip.name, frame.index, *teacher(image))
                task.advance()
