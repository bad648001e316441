"""Pair-wise-frame dependency PF: how alike places of two frames are, should be what the teacher finds."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from etc_edge.losses.term import Need, StepOutputs


class PairwiseDistillation:
    """Squared difference of two matrices of cosine similarity, the student's and the teacher's.

    Args:
        cells_hw: features are averaged to at most this many cells first. The matrix has (rows · columns)² entries a
            sample, 4 bytes each, for student and teacher: 16 · (rows · columns)² · N bytes with their gradients.
    """

    needs: frozenset[Need] = frozenset({"pair", "features", "teacher_features"})

    def __init__(self, cells_hw: tuple[int, int] = (16, 20)) -> None:
        self._cells_hw = cells_hw

    def __call__(self, step: StepOutputs) -> Tensor:
        """See Term; the mean over the other frames."""
        ours = [pooled(_features(frame.features), self._cells_hw) for frame in step.frames]
        theirs = [pooled(_features(teacher.features), self._cells_hw) for teacher in step.teacher]
        values = [pairwise_loss(ours[0], ours[index], theirs[0], theirs[index]) for index in range(1, len(step.frames))]
        return torch.stack(values).mean()


def pairwise_loss(ours: Tensor, ours_other: Tensor, theirs: Tensor, theirs_other: Tensor) -> Tensor:
    """Mean (a_ij^S − a_ij^T)² with a_ij = q_i · p_j / (|q_i| |p_j|); equation 5 of Liu et al. (ECCV 2020).

    Args:
        ours, ours_other: the student's features of the two frames, float (N, D, h, w).
        theirs, theirs_other: the teacher's, float (N, E, h, w); no gradient goes there.
    """
    student = similarity(ours, ours_other)
    teacher = similarity(theirs.detach(), theirs_other.detach())
    return (student - teacher).square().mean()


def similarity(features: Tensor, other: Tensor) -> Tensor:
    """Cosine similarity of every place of one frame with every place of another, float32 (N, h·w, h·w).

    The released code of ETC divides q_i · p_j by the lengths of the other pair, q_j and p_i.
    """
    first = functional.normalize(features.float().flatten(2), dim=1, eps=1e-6)
    second = functional.normalize(other.float().flatten(2), dim=1, eps=1e-6)
    return first.transpose(1, 2) @ second


def pooled(features: Tensor, cells_hw: tuple[int, int]) -> Tensor:
    """Features averaged to `cells_hw`; those that are no larger are only brought to that size."""
    if tuple(features.shape[2:]) == tuple(cells_hw):
        return features.float()
    return functional.adaptive_avg_pool2d(features.float(), cells_hw)


def _features(features: Tensor | None) -> Tensor:
    assert features is not None, "the trainer gives features to terms that need them"
    return features
