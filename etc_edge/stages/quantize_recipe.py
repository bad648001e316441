"""A quantization recipe as the command reads it: calibration, and what may follow it."""

from __future__ import annotations

from etc_edge.quantization.recipe import QuantizeRecipe
from etc_edge.training.finetuning.recipe import FinetuneRecipe


class WholeQuantizeRecipe(QuantizeRecipe, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """See QuantizeRecipe; rooms that do not see each other have their sections here.

    Args:
        finetune: how the INT8 graph is trained further; None where it is not.
    """

    finetune: FinetuneRecipe | None = None
