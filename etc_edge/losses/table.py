"""The terms of the loss, by the name that recipes give them."""

from __future__ import annotations

from collections.abc import Callable

from etc_edge.core.table import Table
from etc_edge.losses.term import Term

# Each entry makes a term from the recipe's settings, given as keywords.
TERMS: Table[Callable[..., Term]] = Table(
    "loss",
    {
        "cross_entropy": "etc_edge.losses.cross_entropy:CrossEntropy",
        "jaccard": "etc_edge.losses.jaccard:JaccardLoss",
        "temporal": "etc_edge.losses.temporal:TemporalLoss",
        "single_frame": "etc_edge.losses.single_frame:SingleFrameDistillation",
        "pairwise": "etc_edge.losses.pairwise:PairwiseDistillation",
        "multi_frame": "etc_edge.losses.multi_frame:MultiFrameDistillation",
    },
)
