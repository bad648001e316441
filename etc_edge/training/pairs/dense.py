"""Pairs from video: neighbours in the clip, with exact or estimated flow."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from etc_edge.core.errors import DatasetError, RecipeError
from etc_edge.data.clip import ClipFrame
from etc_edge.flow.base import Flow, FlowField, open_flow
from etc_edge.flow.exact import NAME as EXACT
from etc_edge.flow.exact import exact_flow
from etc_edge.flow.occlusion import visible_by_both_ways
from etc_edge.flow.store import FlowStore
from etc_edge.training.augmentation import Transform
from etc_edge.training.frames import Labelled, fitted
from etc_edge.training.geometry import moved_flow, resized_flow
from etc_edge.training.recipe import DenseRecipe
from etc_edge.training.sample import OtherFrame, UInt8

Mask = npt.NDArray[np.bool_]


class Dense:
    """See PairSource. Flow is estimated in the loader's workers, or read back from the store."""

    def __init__(
        self, recipe: DenseRecipe, input_size_hw: tuple[int, int], border_rgb: tuple[float, float, float]
    ) -> None:
        self._recipe, self._input_size_hw, self._border_rgb = recipe, input_size_hw, border_rgb

    def frames_of(self, frame: Labelled) -> range:
        """See PairSource: up to `gap` frames either way."""
        return range(max(0, frame.index - self._recipe.gap), min(len(frame.clip), frame.index + self._recipe.gap + 1))

    def check(self, frames: list[Labelled]) -> None:
        """See PairSource."""
        exact, three = self._recipe.flow == EXACT, self._recipe.frames == 3
        if exact and (three or self._recipe.gap != 1):
            raise RecipeError(
                f"Found exact flow for {self._recipe.frames} frames with a gap of {self._recipe.gap}, "
                "expected 2 frames and a gap of 1: it leads from a frame to the next.",
                "Set gap: 1, or a flow that is estimated, such as dis-medium.",
            )
        if not exact:
            open_flow(self._recipe.flow)
        alone = [frame for frame in frames if not self._others(frame)]
        if alone:
            what = "a neighbour either way" if three else "a next frame" if exact else "a neighbour"
            hint = "Stills have no neighbours: set pairs to {source: stills}."
            if exact:
                hint = "Leave the last frame of each clip unlabelled (synthetic:street?labelled=N), or take stills."
            raise RecipeError(
                f"Found {len(alone)} of {len(frames)} labelled frames without {what} in their clip "
                f"(first: {alone[0].clip.name}, frame {alone[0].index}).",
                hint,
            )

    def __call__(
        self, frame: Labelled, image: UInt8, transform: Transform, rng: np.random.Generator, /
    ) -> tuple[UInt8, tuple[OtherFrame, ...]]:
        """See PairSource."""
        choices = self._others(frame)
        chosen = choices[int(rng.integers(len(choices)))]
        others = []
        for index in chosen:
            picture, flow, valid = self._between(frame, image, index)
            flow, valid = moved_flow(flow, valid, transform.matrix, transform.crop_hw)
            cut = transform.image(picture, self._border_rgb)
            others.append(OtherFrame(cut, flow, valid, index, transform.matrix))
        return transform.image(image, self._border_rgb), tuple(others)

    def _others(self, frame: Labelled) -> list[tuple[int, ...]]:
        """The choices of other frames of a sample."""
        last = len(frame.clip) - 1
        if self._recipe.flow == EXACT:
            return [(frame.index + 1,)] if frame.index < last else []
        gaps = range(1, self._recipe.gap + 1)
        if self._recipe.frames == 3:
            return [(frame.index - g, frame.index + g) for g in gaps if g <= frame.index <= last - g]
        signed = [frame.index + sign * gap for gap in gaps for sign in (-1, 1)]
        return [(index,) for index in signed if 0 <= index <= last]

    def _between(self, frame: Labelled, image: UInt8, index: int) -> tuple[UInt8, FlowField, Mask]:
        """The other frame at the input size, the flow to it there, and where it is seen."""
        if self._recipe.flow == EXACT:
            here = frame.clip[frame.index]
            flow = exact_flow(here.flow_to_next, f"frame {frame.index} of {frame.clip.name}")
            seen = _visible(here)
            return (
                fitted(frame.clip[index].image_rgb, self._input_size_hw),
                resized_flow(flow, self._input_size_hw),
                fitted(seen.astype(np.uint8), self._input_size_hw).astype(bool),
            )
        picture = fitted(frame.clip[index].image_rgb, self._input_size_hw)
        if picture.shape != image.shape:
            raise DatasetError(f"Found frames of {picture.shape} and {image.shape} in the clip {frame.clip.name}.")
        there = self._estimated(frame.clip.name, frame.index, index, image, picture)
        back = self._estimated(frame.clip.name, index, frame.index, picture, image)
        return picture, there, visible_by_both_ways(there, back)

    def _estimated(self, clip: str, index: int, other: int, image: UInt8, picture: UInt8) -> FlowField:
        estimate = _estimator(self._recipe.flow)
        if self._recipe.store is None:
            return estimate(image, picture)
        return FlowStore(Path(self._recipe.store), estimate).between(clip, index, other, image, picture)


def _visible(frame: ClipFrame) -> Mask:
    if frame.visible_in_next is not None:
        return frame.visible_in_next
    return np.ones(frame.image_rgb.shape[:2], bool)


@lru_cache(maxsize=2)
def _estimator(name: str) -> Flow:
    """One a process: workers make theirs on first use."""
    return open_flow(name)
