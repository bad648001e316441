"""Samples of one step as tensors, made ahead in loader workers."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from etc_edge.training.plan import Key, Plan
from etc_edge.training.sample import Sample, TeacherMaps
from etc_edge.training.samples import AugmentedFrames


@dataclass(frozen=True)
class BatchMotion:
    """From the labelled frames to other ones: flow float32 (N, H, W, 2) in pixels, valid bool (N, H, W)."""

    flow: Tensor
    valid: Tensor


@dataclass(frozen=True)
class BatchTeacher:
    """A cached teacher's maps of whole frames, float16 (N, C, h, w), and float32 (N, 2, 3): see TeacherMaps."""

    logits: Tensor
    features: Tensor | None
    place: Tensor


@dataclass(frozen=True)
class Batch:
    """Samples of one step.

    Args:
        frames: uint8 (N, H, W, 3) for each frame of a sample; the first is labelled.
        labels: uint8 (N, H, W).
        motions: for each frame after the first.
        other_labels: uint8 (N, H, W) for each frame after the first where they are known, or empty.
        teacher: for each frame, or empty.
    """

    frames: tuple[Tensor, ...]
    labels: Tensor
    motions: tuple[BatchMotion, ...] = ()
    other_labels: tuple[Tensor, ...] = ()
    teacher: tuple[BatchTeacher, ...] = ()

    def parts(self, count: int) -> list[Batch]:
        """The batch in `count` parts of one size."""
        if count == 1:
            return [self]
        size = len(self.labels) // count
        return [self._between(start, start + size) for start in range(0, size * count, size)]

    def _between(self, start: int, end: int) -> Batch:
        def cut(tensor: Tensor) -> Tensor:
            return tensor[start:end]

        return Batch(
            tuple(cut(frames) for frames in self.frames),
            cut(self.labels),
            tuple(BatchMotion(cut(one.flow), cut(one.valid)) for one in self.motions),
            tuple(cut(labels) for labels in self.other_labels),
            tuple(
                BatchTeacher(cut(one.logits), None if one.features is None else cut(one.features), cut(one.place))
                for one in self.teacher
            ),
        )


@dataclass(frozen=True)
class Share:
    """The part of each batch that one of several processes takes: every `of`-th sample from `rank` on."""

    rank: int = 0
    of: int = 1


def load_batches(
    samples: AugmentedFrames, plan: Plan, first: int, workers: int, share: Share = Share()
) -> Iterator[Batch]:
    """Batches of the plan from iteration `first` on, made in `workers` processes (0: in this one)."""
    loader: DataLoader[Batch] = DataLoader(
        samples,  # type: ignore[arg-type]
        batch_sampler=_Remaining(plan, first, share),
        num_workers=workers,
        collate_fn=collate,
        worker_init_fn=_quiet_worker,
        # Its own generator: the loader would else draw its workers' seed from the one that dropout uses, and a
        # resumed run would go another way.
        generator=torch.Generator(),
        prefetch_factor=4 if workers else None,
    )
    return iter(loader)


def collate(samples: Sequence[Sample]) -> Batch:
    """Stack samples, all of the same make."""
    others = range(len(samples[0].others))
    frames = (
        _stacked([sample.image for sample in samples]),
        *(_stacked([sample.others[index].image for sample in samples]) for index in others),
    )
    motions = tuple(
        BatchMotion(
            _stacked([sample.others[index].flow for sample in samples]),
            _stacked([sample.others[index].valid for sample in samples]),
        )
        for index in others
    )
    teacher = tuple(
        _collated_maps([sample.teacher[index] for sample in samples]) for index in range(len(samples[0].teacher))
    )
    other_labels = tuple(
        _stacked([sample.other_labels[index] for sample in samples]) for index in range(len(samples[0].other_labels))
    )
    return Batch(frames, _stacked([sample.labels for sample in samples]), motions, other_labels, teacher)


class _Remaining:
    def __init__(self, plan: Plan, first: int, share: Share) -> None:
        self._plan, self._first, self._share = plan, first, share

    def __iter__(self) -> Iterator[list[Key]]:
        for keys in self._plan.batches(self._first):
            yield keys[self._share.rank :: self._share.of]

    def __len__(self) -> int:
        return self._plan.iterations - self._first


def _collated_maps(maps: list[TeacherMaps]) -> BatchTeacher:
    features = [one.features for one in maps if one.features is not None]
    return BatchTeacher(
        _stacked([one.logits for one in maps]),
        _stacked(features) if features else None,
        _stacked([one.place.astype(np.float32) for one in maps]),
    )


def _stacked(arrays: list[npt.NDArray[Any]]) -> Tensor:
    return torch.from_numpy(np.stack(arrays))


def _quiet_worker(worker: int) -> None:
    import cv2

    cv2.setNumThreads(0)  # the workers are the parallelism
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the trainer ends its workers
