"""The teacher: a finished network whose outputs the student is to reproduce."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from etc_edge.losses.term import TeacherOutputs
from etc_edge.training.batches import Batch, BatchTeacher
from etc_edge.training.embedding import Embedding


class Teacher(Protocol):
    """Gives its outputs for every frame of a batch."""

    gives_features: bool

    def __call__(self, batch: Batch, /) -> tuple[TeacherOutputs, ...]:
        """One entry a frame of the samples."""


class LiveTeacher:
    """Runs on the crops of every step, without gradient.

    Args:
        network: in evaluation, on the training device.
        as_input: uint8 frames to what it takes: its normalisation, or the frames as they are.
        gives_features: whether it runs its embedding layer, and what that gives is wanted.
    """

    def __init__(self, network: nn.Module, as_input: Callable[[Tensor], Tensor], gives_features: bool = True) -> None:
        self._network, self._as_input = network.eval().requires_grad_(False), as_input
        self.gives_features = gives_features
        self._embedding = Embedding(network) if gives_features else None

    @torch.no_grad()
    def __call__(self, batch: Batch) -> tuple[TeacherOutputs, ...]:
        """See Teacher."""
        found = []
        for frames in batch.frames:
            logits = self._network(self._as_input(frames)).float()
            features = None if self._embedding is None else self._embedding.taken()
            valid = torch.ones(logits.shape[0], *logits.shape[2:], dtype=torch.bool, device=logits.device)
            found.append(TeacherOutputs(logits, features, valid))
        return tuple(found)


class CachedTeacher:
    """Moves what was worked out on whole frames to where each crop shows it.

    Args:
        crop_hw: size of the crops.
        stride: of the maps that come out, in pixels of the crop.
        gives_features: whether the store has features.
        device: of training.
    """

    def __init__(self, crop_hw: tuple[int, int], stride: int, gives_features: bool, device: torch.device) -> None:
        self.gives_features = gives_features
        self._crop_hw, self._stride, self._device = crop_hw, stride, device

    def __call__(self, batch: Batch) -> tuple[TeacherOutputs, ...]:
        """See Teacher."""
        return tuple(self._moved(maps) for maps in batch.teacher)

    def _moved(self, maps: BatchTeacher) -> TeacherOutputs:
        place = maps.place.to(self._device)
        logits, valid = self._cut(maps.logits, place, self._stride)
        features = None if maps.features is None else self._cut(maps.features, place, 2 * self._stride)[0]
        return TeacherOutputs(logits, features, valid)

    def _cut(self, maps: Tensor, place: Tensor, stride: int) -> tuple[Tensor, Tensor]:
        height, width = (-(-size // stride) for size in self._crop_hw)
        down = torch.linspace(0, self._crop_hw[0] - 1, height, device=self._device)
        across = torch.linspace(0, self._crop_hw[1] - 1, width, device=self._device)
        y, x = torch.meshgrid(down, across, indexing="ij")
        points = torch.stack((x, y, torch.ones_like(x)), -1)
        grid = torch.einsum("hwk,nck->nhwc", points, place)
        values = functional.grid_sample(
            maps.to(self._device).float(), grid, mode="bilinear", padding_mode="border", align_corners=True
        )
        return values, (grid.abs() <= 1.0).all(-1)
