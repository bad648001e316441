"""Which frames to calibrate with: a list of runs of frames, kept in a file so that a calibration can be repeated."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import yaml

from etc_edge.core.atomic import atomic_file
from etc_edge.core.errors import CalibrationError
from etc_edge.core.recipe import load_recipe
from etc_edge.core.table import nearest
from etc_edge.data.clip import Clip, ClipFrame
from etc_edge.data.dataset import Dataset

FrameKeys = frozenset[tuple[str, int]]
"""Frames of a split, by name of their clip and index in it."""


class Run(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Frames `first`, `first` + `step`, … of a clip, `frames` of them."""

    clip: str
    first: int = 0
    frames: int = 1
    step: int = 1

    def indices(self) -> range:
        """Positions in the clip."""
        return range(self.first, self.first + self.frames * self.step, self.step)


class CalibrationList(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A data set's name, its split, and runs of frames; a clip's bare name stands for its first frame."""

    dataset: str
    split: str
    clips: tuple[str | Run, ...]

    def runs(self) -> tuple[Run, ...]:
        """Every entry as a run."""
        return tuple(Run(clip=entry) if isinstance(entry, str) else entry for entry in self.clips)

    @property
    def frame_count(self) -> int:
        """Number of frames in all."""
        return sum(run.frames for run in self.runs())


def sample_list(dataset: Dataset, split: str, frames: int, run: int = 1) -> CalibrationList:
    """Choose frames evenly over a split: first over its clips, then over each clip's length.

    Nothing is left to chance, so the same split always gives the same list.

    Args:
        dataset: what to choose from.
        split: one of its splits.
        frames: how many frames; fewer where the split has fewer.
        run: how many consecutive frames to take at a time, where clips are long enough.

    Raises:
        CalibrationError: `frames` or `run` is less than 1.
        DatasetError: no such split.
    """
    if frames < 1 or run < 1:
        raise CalibrationError(f"Found {frames} frames in runs of {run}, expected 1 or more of each.")
    # Every place where a run fits without touching the one before it.
    places = [
        Run(clip=clip.name, first=first, frames=min(run, len(clip) - first))
        for clip in dataset.clips(split)
        for first in range(0, max(1, len(clip) - run + 1), run)
    ]
    wanted = min(len(places), -(-frames // max(place.frames for place in places)))
    chosen = np.unique(np.linspace(0, len(places) - 1, wanted).round().astype(int))
    entries = [places[index] for index in chosen]
    clips = tuple(entry.clip if entry.first == 0 and entry.frames == 1 else entry for entry in entries)
    return CalibrationList(dataset=dataset.name, split=split, clips=clips)


def without_frames(chosen: CalibrationList, keep_out: FrameKeys) -> CalibrationList:
    """A list without some frames; runs are cut where one of them is left out.

    Raises:
        CalibrationError: nothing is left.
    """
    if not keep_out:
        return chosen
    left = [(run.clip, index) for run in chosen.runs() for index in run.indices() if (run.clip, index) not in keep_out]
    if not left:
        raise CalibrationError(
            "Found no calibration frame beside those that are held back, expected at least one.",
            "Calibrate on more frames, or hold fewer back.",
        )
    entries = tuple(clip if index == 0 else Run(clip=clip, first=index) for clip, index in left)
    return msgspec.structs.replace(chosen, clips=entries)


def load_list(path: Path) -> CalibrationList:
    """Read a list.

    Raises:
        RecipeError: it is missing, or does not fit the format.
        CalibrationError: it holds no frame, or a negative number.
    """
    chosen = load_recipe(Path(path), CalibrationList)
    runs = chosen.runs()
    if not runs or any(run.first < 0 or run.frames < 1 or run.step < 1 for run in runs):
        raise CalibrationError(
            f"Found no frames or a negative number in {path}, expected first ≥ 0, frames and step ≥ 1."
        )
    return chosen


def save_list(chosen: CalibrationList, path: Path) -> None:
    """Write a list as YAML."""
    with atomic_file(Path(path)) as temporary:
        plain = msgspec.to_builtins(chosen)
        temporary.write_text(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=110), encoding="utf-8")


def listed_frames(dataset: Dataset, chosen: CalibrationList) -> Iterator[ClipFrame]:
    """Read a list's frames, in its order, one at a time.

    Raises:
        CalibrationError: the list is for another data set, or names a clip or a frame that the split has not.
        DatasetError: a frame cannot be read.
    """
    clips = _clips_by_name(dataset, chosen)
    for run in chosen.runs():
        clip = clips[run.clip]
        for index in run.indices():
            yield clip[index]


def _clips_by_name(dataset: Dataset, chosen: CalibrationList) -> dict[str, Clip]:
    if dataset.name != chosen.dataset:
        raise CalibrationError(
            f"Found the data set {dataset.name!r} for a calibration list of {chosen.dataset!r}.",
            "Give the data that the list was made for, or another list.",
        )
    clips = {clip.name: clip for clip in dataset.clips(chosen.split)}
    for run in chosen.runs():
        if run.clip not in clips:
            raise CalibrationError(
                f"Found the clip {run.clip!r} in the list, which split {chosen.split!r} of {dataset.name} has not.",
                nearest(run.clip, list(clips)) if len(clips) < 1000 else None,
            )
        if run.indices()[-1] >= len(clips[run.clip]):
            raise CalibrationError(
                f"Found frame {run.indices()[-1]} of clip {run.clip!r} in the list, which has {len(clips[run.clip])}."
            )
    return clips
