"""What a recipe may say about the loss: one struct a term, told apart by `name`."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

NonNegative = Annotated[float, msgspec.Meta(ge=0.0)]
Positive = Annotated[float, msgspec.Meta(gt=0.0)]
Share = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
Cells = Annotated[int, msgspec.Meta(ge=1, le=128)]


class TermRecipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every term has.

    Args:
        weight: of the term in the sum.
        ramp: share of the run over which the weight grows evenly from 0 to that. Terms that ask for agreement hold
            back a network that has not learned anything yet: constant outputs agree best.
    """

    weight: NonNegative = 1.0
    ramp: Share = 0.0


class CrossEntropyRecipe(
    TermRecipe, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="name", tag="cross_entropy"
):
    """See CrossEntropy; `class_weights` lists one weight a class, in the order of the classes, or says `balanced`."""

    aux_weight: NonNegative = 0.4
    class_weights: tuple[NonNegative, ...] | Literal["balanced"] | None = None
    frames: Literal["labelled", "all"] = "labelled"


class JaccardRecipe(TermRecipe, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="name", tag="jaccard"):
    """See JaccardLoss."""

    frames: Literal["labelled", "all"] = "labelled"


class TemporalRecipe(
    TermRecipe, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="name", tag="temporal"
):
    """See TemporalLoss. ETC weights the form on logits with 0.1."""

    form: Literal["logits", "probability"] = "probability"
    mask: Literal["photometric", "visible"] = "photometric"


class SingleFrameRecipe(
    TermRecipe, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="name", tag="single_frame"
):
    """See SingleFrameDistillation."""

    weight: NonNegative = 0.1
    direction: Literal["student_teacher", "teacher_student"] = "student_teacher"
    temperature: Positive = 1.0
    class_weights: tuple[NonNegative, ...] | Literal["balanced"] | None = None


class PairwiseRecipe(
    TermRecipe, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="name", tag="pairwise"
):
    """See PairwiseDistillation."""

    weight: NonNegative = 0.1
    cells_hw: tuple[Cells, Cells] = (16, 20)


class MultiFrameRecipe(
    TermRecipe, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="name", tag="multi_frame"
):
    """See MultiFrameDistillation."""

    weight: NonNegative = 0.1
    cells_hw: tuple[Cells, Cells] = (8, 10)
    hidden: Annotated[int, msgspec.Meta(ge=1, le=64)] = 4
    hold: NonNegative = 1.0
    limit: Positive = 0.5


# A new term adds its struct here and its row to TERMS.
LossRecipe = CrossEntropyRecipe | JaccardRecipe | TemporalRecipe | SingleFrameRecipe | PairwiseRecipe | MultiFrameRecipe
LABELLED_TERMS = (CrossEntropyRecipe, JaccardRecipe)
"""Terms about labels."""
