"""What the network is trained on: labelled frames of clips, read and augmented in loader workers."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from etc_edge.core.errors import DatasetError, TrainingError
from etc_edge.data.clip import Clip
from etc_edge.training.augmentation import sample_transform
from etc_edge.training.recipe import AugmentationRecipe


@dataclass(frozen=True)
class Labelled:
    """A labelled frame: its clip and its index there."""

    clip: Clip
    index: int


@dataclass(frozen=True)
class Batch:
    """Samples of one step.

    Args:
        frames: uint8 (N, H, W, 3) for each frame of a sample; only the first is labelled.
        labels: uint8 (N, H, W).
    """

    frames: tuple[Tensor, ...]
    labels: Tensor


# One frame, uint8 (H, W, 3), and its labels, uint8 (H, W), after the transform.
Sample = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]

# (epoch, position in the list of samples): together with the seed, all that a sample's transform depends on,
# so neither the number of workers nor an interruption changes it.
Key = tuple[int, int]


def labelled_frames(clips: Sequence[Clip], where: str) -> list[Labelled]:
    """Every labelled frame of the clips, in order.

    Raises:
        DatasetError: there is none.
    """
    found = [Labelled(clip, index) for clip in clips for index in clip.labelled]
    if not found:
        raise DatasetError(f"Found no labelled frame in {where}.")
    return found


def hold_out(frames: Sequence[Labelled], share: float, blocks: int) -> tuple[list[Labelled], list[Labelled]]:
    """Split into frames to train on and frames to watch, the latter as runs of neighbours spread over the list.

    Neighbouring frames resemble each other, so single frames picked at random would flatter the figure.
    """
    count = len(frames)
    watched = min(count - 1, round(share * count))
    if watched <= 0:
        return list(frames), []
    blocks = min(blocks, watched)
    chosen: set[int] = set()
    for block in range(blocks):
        length = watched * (block + 1) // blocks - watched * block // blocks
        middle = (2 * block + 1) * count // (2 * blocks)
        start = min(max(0, middle - length // 2), count - length)
        chosen.update(range(start, start + length))
    return (
        [frame for index, frame in enumerate(frames) if index not in chosen],
        [frame for index, frame in enumerate(frames) if index in chosen],
    )


class AugmentedFrames(Dataset[Sample]):
    """Samples by key; see Key.

    Args:
        frames: what is trained on.
        augmentation: the random transform.
        input_size_hw: frames are brought to this size first, as on the device.
        border_rgb: colour outside the frame; the mean, so that it is 0 to the network.
        void: label outside the frame.
        seed: of the transforms.
    """

    def __init__(
        self,
        frames: Sequence[Labelled],
        augmentation: AugmentationRecipe,
        input_size_hw: tuple[int, int],
        border_rgb: tuple[float, float, float],
        void: int,
        seed: int,
    ) -> None:
        self._frames = list(frames)
        self._augmentation = augmentation
        self._input_size_hw = input_size_hw
        self._border_rgb = border_rgb
        self._void = void
        self._seed = seed

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def clip_of(self) -> tuple[int, ...]:
        """For each sample the number of its clip."""
        numbers: dict[int, int] = {}
        return tuple(numbers.setdefault(id(frame.clip), len(numbers)) for frame in self._frames)

    def __getitem__(self, key: Key) -> Sample:
        epoch, position = key
        image, labels = read_labelled(self._frames[position], self._input_size_hw)
        rng = np.random.default_rng([self._seed, epoch, position])
        transform = sample_transform(self._augmentation, self._input_size_hw, rng)
        return transform.image(image, self._border_rgb), transform.labels(labels, self._void)


def read_labelled(frame: Labelled, size_hw: tuple[int, int]) -> Sample:
    """Image and labels of a frame, brought to `size_hw`.

    Raises:
        DatasetError: the frame has no labels, or cannot be read.
    """
    import cv2

    read = frame.clip[frame.index]
    if read.labels is None:
        raise DatasetError(f"Found no labels for frame {frame.index} of the clip {frame.clip.name}.")
    image, labels = read.image_rgb, read.labels
    if image.shape[:2] != size_hw:
        height, width = size_hw
        shrinks = height <= image.shape[0] and width <= image.shape[1]
        image = np.asarray(
            cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR), np.uint8
        )
        labels = np.asarray(cv2.resize(labels, (width, height), interpolation=cv2.INTER_NEAREST_EXACT), np.uint8)
    return image, labels


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

    Raises:
        TrainingError: fewer samples than a batch.
    """

    clip_of: tuple[int, ...]
    batch_size: int
    epochs: int
    seed: int

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
        return self.per_epoch * self.epochs

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


def load_batches(samples: AugmentedFrames, plan: Plan, first: int, workers: int) -> Iterator[Batch]:
    """Batches of the plan from iteration `first` on, made in `workers` processes (0: in this one)."""
    loader: DataLoader[Sample] = DataLoader(
        samples,
        batch_sampler=_Remaining(plan, first),
        num_workers=workers,
        collate_fn=_collate,
        worker_init_fn=_quiet_worker,
        # Its own generator: the loader would else draw its workers' seed from the one that dropout uses, and a
        # resumed run would go another way.
        generator=torch.Generator(),
        prefetch_factor=4 if workers else None,
    )
    return iter(loader)


class _Remaining:
    def __init__(self, plan: Plan, first: int) -> None:
        self._plan, self._first = plan, first

    def __iter__(self) -> Iterator[list[Key]]:
        return self._plan.batches(self._first)

    def __len__(self) -> int:
        return self._plan.iterations - self._first


def _collate(samples: list[Sample]) -> Batch:
    images = torch.from_numpy(np.stack([image for image, _ in samples]))
    return Batch((images,), torch.from_numpy(np.stack([labels for _, labels in samples])))


def _quiet_worker(worker: int) -> None:
    import cv2

    cv2.setNumThreads(0)  # the workers are the parallelism
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the trainer ends its workers
