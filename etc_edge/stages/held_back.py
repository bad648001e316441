"""Which frames a search for a budget measures its attempts on, and which it reports on: held apart by content."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from etc_edge.core.errors import DatasetError
from etc_edge.core.progress import Progress
from etc_edge.core.shipped import find_shipped
from etc_edge.data.clip import Clip
from etc_edge.data.dataset import Dataset, choose_split
from etc_edge.data.neighbours import pick_neighbours
from etc_edge.data.overlap import shared_frames, split_digests
from etc_edge.data.relit import Relit, Takes
from etc_edge.data.sampling import FrameKeys, listed_frames, load_list, sample_list, without_frames
from etc_edge.quantization.recipe import QuantizeRecipe

HELD_BACK_FRAMES, HELD_BACK_BLOCKS, HELD_BACK_SHARE = 160, 16, 0.25
"""Frames that attempts are measured on, in how many runs of neighbours, and the most of a split that they may be."""

SHORTEST_RUN = 4

MOST_SHARE = 0.5
"""The most of a split that somebody may ask to hold back."""


@dataclass(frozen=True)
class HeldBack:
    """Which frames serve for what.

    Args:
        dataset: what they are from.
        split: where attempts are calibrated and measured.
        clips: of this split, which nothing is tuned on; each as it is, then relit.
        keys: the frames that these were made from.
        report_split: looked at once in the end, or None.
    """

    dataset: Dataset
    split: str
    clips: Sequence[Clip]
    keys: FrameKeys
    report_split: str | None

    @classmethod
    def split_up(
        cls, dataset: Dataset, recipe: QuantizeRecipe, report_split: str | None, frames: int | None
    ) -> HeldBack:
        """Hold frames back from the split that a recipe calibrates on.

        Args:
            dataset: the data set.
            recipe: its calibration names the split.
            report_split: None takes `val` where the data set has it.
            frames: how many to hold back, at most half of the split; None takes HELD_BACK_FRAMES, at most a quarter.

        Raises:
            DatasetError: the split has too few, or there is no such split to report on.
        """
        wanted = recipe.calibration
        split = wanted.split if wanted.list is None else load_list(find_shipped("calibration", wanted.list)).split
        clips = dataset.clips(split)
        every = sum(len(clip) for clip in clips)
        share = HELD_BACK_SHARE if frames is None else MOST_SHARE
        count = min(frames or HELD_BACK_FRAMES, int(share * every))
        if count < 1:
            raise DatasetError(
                f"Found {every} frames in split {split!r} of {dataset.name}, expected enough to hold a quarter back."
            )
        # Steadiness is measured between neighbours: short runs would have few of them.
        held, keys = pick_neighbours(clips, count, max(1, min(HELD_BACK_BLOCKS, count // SHORTEST_RUN)))
        if report_split is not None:
            choose_split(dataset.splits, report_split, dataset.name)
        elif "val" in dataset.splits and split != "val":
            report_split = "val"
        # A network was trained on these frames; in another light and from another place it knows them less well.
        takes = [Takes((clip, Relit(clip, dataset.label_set.void))) for clip in held]
        return cls(dataset, split, takes, keys, report_split)

    @cached_property
    def reported(self) -> dict[str, str]:
        """Frames that will be looked at in the end, by digest."""
        return {} if self.report_split is None else split_digests(self.dataset.clips(self.report_split))

    @property
    def most(self) -> int:
        """How many frames of the split may be held back."""
        return int(MOST_SHARE * sum(len(clip) for clip in self.dataset.clips(self.split)))

    def check_calibration(self, recipe: QuantizeRecipe, allow_overlap: bool, progress: Progress) -> int:
        """Refuse, before any work, to report on frames that are calibrated on or held back."""
        wanted = recipe.calibration
        chosen = (
            sample_list(self.dataset, wanted.split, wanted.frames)
            if wanted.list is None
            else load_list(find_shipped("calibration", wanted.list))
        )
        chosen = without_frames(chosen, self.keys)
        progress.say("comparing the frames to be reported with those to be tuned on")
        shared = shared_frames(
            self._tuned(frame.image_rgb for frame in listed_frames(self.dataset, chosen)), self.reported
        )
        if shared and not allow_overlap:
            raise DatasetError(
                f"Found {len(shared)} frames of split {self.report_split!r}, such as {shared[0]}, among those that the "
                "search tunes on.",
                "Report on other frames: --report-split NAME; or insist with --allow-overlap.",
            )
        return len(shared)

    def shared_with(self, split: str) -> int:
        """How many frames that will be reported are in a split."""
        clips = self.dataset.clips(split)
        return len(shared_frames((clip[i].image_rgb for clip in clips for i in range(len(clip))), self.reported))

    def _tuned(self, calibration: Iterator[npt.NDArray[np.uint8]]) -> Iterator[npt.NDArray[np.uint8]]:
        yield from calibration
        for clip in self.dataset.clips(self.split):
            for index in range(len(clip)):
                if (clip.name, index) in self.keys:
                    yield clip[index].image_rgb
