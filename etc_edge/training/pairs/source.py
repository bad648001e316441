"""The role of a source of pairs, and the table of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from etc_edge.core.table import Table
from etc_edge.training.augmentation import Transform
from etc_edge.training.frames import Labelled
from etc_edge.training.recipe import PairsRecipe
from etc_edge.training.sample import OtherFrame, UInt8


class PairSource(Protocol):
    """Finds or makes the other frames of a sample; runs in the loader's workers."""

    def frames_of(self, frame: Labelled) -> range:
        """Indices of the clip's frames that samples of this labelled frame may show, its own included."""

    def check(self, frames: list[Labelled]) -> None:
        """Refuse data that gives no pairs, before anything is trained.

        Raises:
            RecipeError: and what would do instead.
        """

    def __call__(
        self, frame: Labelled, image: UInt8, transform: Transform, rng: np.random.Generator, /
    ) -> tuple[UInt8, tuple[OtherFrame, ...]]:
        """The labelled frame and the others, all cut out.

        Args:
            frame: the labelled frame.
            image: uint8 (H, W, 3), it at the network's input size.
            transform: from there to the crop.
            rng: of this sample.
        """


# Each entry makes a source from its part of the recipe, the input size and the colour outside the frame.
SOURCES: Table[Callable[[PairsRecipe, tuple[int, int], tuple[float, float, float]], PairSource]] = Table(
    "source of pairs",
    {
        "stills": "etc_edge.training.pairs.stills:Stills",
        "dense": "etc_edge.training.pairs.dense:Dense",
    },
)


def open_pairs(
    recipe: PairsRecipe, input_size_hw: tuple[int, int], border_rgb: tuple[float, float, float]
) -> PairSource:
    """The source that a recipe names."""
    name = str(type(recipe).__struct_config__.tag)
    return SOURCES.load(name)(recipe, input_size_hw, border_rgb)
