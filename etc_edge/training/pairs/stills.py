"""Pairs from stills: a moved, relit, noisy copy of a frame, with exact flow."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from etc_edge.training.augmentation import Transform
from etc_edge.training.frames import Labelled
from etc_edge.training.geometry import Matrix, affine_flow, compose, inside_frame, inverse, motion_about
from etc_edge.training.recipe import StillsRecipe
from etc_edge.training.sample import OtherFrame, UInt8


class Stills:
    """See PairSource.

    The copy is cut from the same picture with the transform followed by a small motion (shift, zoom about a random
    point as when one drives towards it, turn), so the flow is known everywhere to the last digit and nothing is
    occluded. Two copies move in opposite ways: one is the past and the other the future.
    """

    def __init__(
        self, recipe: StillsRecipe, input_size_hw: tuple[int, int], border_rgb: tuple[float, float, float]
    ) -> None:
        self._recipe, self._input_size_hw, self._border_rgb = recipe, input_size_hw, border_rgb

    def frames_of(self, frame: Labelled) -> range:
        """See PairSource: the labelled frame alone."""
        return range(frame.index, frame.index + 1)

    def check(self, frames: list[Labelled]) -> None:
        """See PairSource: every still will do."""

    def __call__(
        self, frame: Labelled, image: UInt8, transform: Transform, rng: np.random.Generator, /
    ) -> tuple[UInt8, tuple[OtherFrame, ...]]:
        """See PairSource."""
        motion = self._motion(transform.crop_hw, rng)
        motions = [motion] if self._recipe.frames == 2 else [inverse(motion), motion]
        deviation = self._recipe.noise * float(rng.random())
        first = _noisy(transform.image(image, self._border_rgb), deviation, rng)
        others = []
        for one in motions:
            light = 1.0 + self._recipe.jitter * rng.uniform(-1.0, 1.0, 3)
            moved = replace(
                transform,
                matrix=compose(one, transform.matrix),
                brightness=transform.brightness * float(light[0]),
                contrast=transform.contrast * float(light[1]),
                saturation=transform.saturation * float(light[2]),
            )
            picture = _noisy(moved.image(image, self._border_rgb), deviation, rng)
            flow = affine_flow(one, transform.crop_hw)
            valid = inside_frame(transform.matrix, self._input_size_hw, transform.crop_hw)
            others.append(OtherFrame(picture, flow, valid, frame.index, moved.matrix))
        return first, tuple(others)

    def _motion(self, crop_hw: tuple[int, int], rng: np.random.Generator) -> Matrix:
        height, width = crop_hw
        shift = self._recipe.shift * width * rng.uniform(-1.0, 1.0, 2)
        zoom = 1.0 + self._recipe.zoom * rng.uniform(-1.0, 1.0)
        turn = self._recipe.rotation_deg * rng.uniform(-1.0, 1.0)
        centre = rng.random(2) * (width - 1, height - 1)
        return motion_about((float(centre[0]), float(centre[1])), (float(shift[0]), float(shift[1])), zoom, turn)


def _noisy(image: UInt8, deviation: float, rng: np.random.Generator) -> UInt8:
    if deviation == 0:
        return image
    noise: npt.NDArray[np.float32] = rng.standard_normal(image.shape, np.float32)
    noise *= np.float32(deviation)
    noise += image
    return np.clip(np.rint(noise), 0, 255).astype(np.uint8)
