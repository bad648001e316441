"""Which samples each iteration takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from etc_edge.core.errors import TrainingError

# (epoch, position in the list of samples): together with the seed, all that a sample's transform depends on,
# so neither the number of workers nor an interruption changes it.
Key = tuple[int, int]

# Clips whose frames are mixed in the order of an epoch. Frames of one clip are cheap one after another (a street
# that is drawn, a video that is decoded), and a handful of clips is mixture enough for a batch.
MIXED_CLIPS = 6


@dataclass(frozen=True)
class Plan:
    """Which samples each iteration takes.

    An epoch takes the clips in random order and mixes the frames of `MIXED_CLIPS` at a time; for stills that is
    a random permutation of all. A last part batch is dropped.

    Args:
        clip_of: for each sample, the number of its clip.
        batch_size: samples an iteration.
        epochs: number of epochs.
        seed: of the order.
        steps: number of iterations, instead of `epochs`.

    Raises:
        TrainingError: fewer samples than a batch.
    """

    clip_of: tuple[int, ...]
    batch_size: int
    epochs: int
    seed: int
    steps: int | None = None

    def __post_init__(self) -> None:
        if len(self.clip_of) < self.batch_size:
            raise TrainingError(
                f"Found {len(self.clip_of)} samples to train on, expected at least a batch of {self.batch_size}.",
                "Lower schedule.batch_size or data.holdout.",
            )

    @property
    def per_epoch(self) -> int:
        """Iterations an epoch."""
        return len(self.clip_of) // self.batch_size

    @property
    def iterations(self) -> int:
        """Iterations of the whole run."""
        return self.per_epoch * self.epochs if self.steps is None else self.steps

    def order(self, epoch: int) -> npt.NDArray[np.int64]:
        """The samples in the order that an epoch takes them."""
        rng = np.random.default_rng([self.seed, epoch])
        clip_of = np.asarray(self.clip_of)
        clips = rng.permutation(np.unique(clip_of))
        groups = [clips[start : start + MIXED_CLIPS] for start in range(0, len(clips), MIXED_CLIPS)]
        return np.concatenate([rng.permutation(np.flatnonzero(np.isin(clip_of, group))) for group in groups])

    def batches(self, first: int = 0) -> Iterator[list[Key]]:
        """The keys of each iteration from `first` on."""
        order: npt.NDArray[np.int64] | None = None
        for iteration in range(first, self.iterations):
            epoch, position = divmod(iteration, self.per_epoch)
            if order is None or position == 0:
                order = self.order(epoch)
            taken = order[position * self.batch_size : (position + 1) * self.batch_size]
            yield [(epoch, int(index)) for index in taken]
