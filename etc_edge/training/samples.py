"""What the network is trained on: labelled frames of clips, read and augmented in loader workers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch.utils.data import Dataset

from etc_edge.training.augmentation import Transform, sample_transform
from etc_edge.training.frames import Labelled, read_labelled
from etc_edge.training.pairs.source import PairSource
from etc_edge.training.plan import Key
from etc_edge.training.recipe import AugmentationRecipe
from etc_edge.training.sample import OtherFrame, Sample, UInt8
from etc_edge.training.teacher_store import TeacherStore


@dataclass(frozen=True)
class SampleMakers:
    """What samples have besides a labelled frame.

    Args:
        pairs: makes the other frames, or None for single frames.
        teacher: what a teacher made of whole frames, or None.
    """

    pairs: PairSource | None = None
    teacher: TeacherStore | None = None


class AugmentedFrames(Dataset[Sample]):
    """Samples by key; see Key.

    Args:
        frames: what is trained on.
        augmentation: the random transform.
        input_size_hw: frames are brought to this size first, as on the device.
        border_rgb: colour outside the frame; the mean, so that it is 0 to the network.
        void: label outside the frame.
        seed: of the transforms.
        makers: of what else samples have.
    """

    def __init__(
        self,
        frames: Sequence[Labelled],
        augmentation: AugmentationRecipe,
        input_size_hw: tuple[int, int],
        border_rgb: tuple[float, float, float],
        void: int,
        seed: int,
        makers: SampleMakers = SampleMakers(),
    ) -> None:
        self._frames = list(frames)
        self._augmentation = augmentation
        self._input_size_hw = input_size_hw
        self._border_rgb = border_rgb
        self._void = void
        self._seed = seed
        self._makers = makers

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def clip_of(self) -> tuple[int, ...]:
        """For each sample the number of its clip."""
        numbers: dict[int, int] = {}
        return tuple(numbers.setdefault(id(frame.clip), len(numbers)) for frame in self._frames)

    def __getitem__(self, key: Key) -> Sample:
        epoch, position = key
        frame = self._frames[position]
        image, labels = read_labelled(frame, self._input_size_hw, self._void)
        # The transform has a generator of its own: a recipe with pairs sees the labelled frames as one without does.
        seeds = [self._seed, epoch, position]
        transform = sample_transform(self._augmentation, self._input_size_hw, np.random.default_rng(seeds))
        cut_labels = transform.labels(labels, self._void)
        pairs, teacher = self._makers.pairs, self._makers.teacher
        others: tuple[OtherFrame, ...] = ()
        if pairs is None:
            picture = transform.image(image, self._border_rgb)
        else:
            picture, others = pairs(frame, image, transform, np.random.default_rng([*seeds, 1]))
        shown = [(frame.index, transform.matrix), *((other.index, other.matrix) for other in others)]
        maps = () if teacher is None else tuple(teacher.maps(frame.clip.name, *place) for place in shown)
        return Sample(picture, cut_labels, others, self._labels_of(others, frame, labels), maps)

    def _labels_of(self, others: tuple[OtherFrame, ...], frame: Labelled, labels: UInt8) -> tuple[UInt8, ...]:
        """Labels of frames that are made from the labelled one; empty where one of them is another frame."""
        if any(other.index != frame.index for other in others):
            return ()
        crop_hw = self._augmentation.crop_hw
        return tuple(Transform(other.matrix, crop_hw).labels(labels, self._void) for other in others)
