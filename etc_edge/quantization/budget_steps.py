"""What a recipe can be changed by when INT8 costs too much, the cheapest first, and which groups go back to float."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from etc_edge.quantization.recipe import QuantizeRecipe

RECIPE_STEPS: Mapping[str, Mapping[str, Any]] = {
    "mse observer": {"observer": "mse"},
    "scales per channel": {"weights": "channel"},
    "equalisation": {"equalize": True},
    "bias correction": {"bias_correction": True},
}
"""Names of steps, and what the recipe then says."""

LEAST_SAVED = 1e-6
"""A group that saves nothing goes back first; this keeps its worth finite."""


class GroupLoss(msgspec.Struct, frozen=True, kw_only=True):
    """A group: its operators, the SNR of the logits when it alone is quantized, its share of the time INT8 saves.

    `grids` are what it is quantized on: names of weights of its own, and of activations that neighbours may share.
    """

    nodes: tuple[str, ...]
    snr_db: float | None
    saved: float
    grids: tuple[str, ...]


def changed_recipe(recipe: QuantizeRecipe, step: str) -> QuantizeRecipe | None:
    """A recipe after one of RECIPE_STEPS; None where it says the same already."""
    changed = msgspec.structs.replace(recipe, **RECIPE_STEPS[step])
    return None if changed == recipe else changed


def float_order(groups: Sequence[GroupLoss]) -> list[GroupLoss]:
    """The groups in the order in which they go back to float: by noise that goes away for the time that it costs.

    Powers of the errors of different groups add up, so the sum that is left after the first k is what is least for its
    price. A grid goes away with the last group that uses it: of a group between neighbours in INT8 the weight alone,
    and of an addition nothing. A group's noise is shared out evenly among its grids, and what counts is the share of
    those that would go. The last group is not in the list: a network without any is not INT8.
    """
    used, left, order = Counter(grid for group in groups for grid in group.grids), list(groups), list[GroupLoss]()

    def worth(group: GroupLoss) -> float:
        noise = 0.0 if group.snr_db is None else 10.0 ** (-group.snr_db / 10.0)
        going = sum(used[grid] == 1 for grid in group.grids) / max(1, len(group.grids))
        return noise * going / max(group.saved, LEAST_SAVED)

    while len(left) > 1:
        first = max(left, key=worth)
        left.remove(first)
        order.append(first)
        used.subtract(first.grids)
    return order
