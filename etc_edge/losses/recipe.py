"""What a recipe may say about the loss: one struct a term, told apart by `name`."""

from __future__ import annotations

from typing import Annotated

import msgspec

NonNegative = Annotated[float, msgspec.Meta(ge=0.0)]


class CrossEntropyRecipe(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="name", tag="cross_entropy"
):
    """See CrossEntropy; `class_weights` lists one weight a class, in the order of the classes."""

    weight: NonNegative = 1.0
    aux_weight: NonNegative = 0.4
    class_weights: tuple[NonNegative, ...] | None = None


# A new term adds its struct here (as a union) and its row to TERMS.
LossRecipe = CrossEntropyRecipe
