"""How a run is watched on frames kept out of training: when, by which figures, and when it has seen enough."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

Examine = Callable[[nn.Module], Mapping[str, float]]
"""Figures of a network in evaluation."""

# Figures of which less is better.
_COSTS = frozenset({"flicker"})


@dataclass(frozen=True)
class Examination:
    """How to watch.

    Args:
        examine: what finds the figures; None where nothing is watched.
        every: iterations from one examination to the next; None for once an epoch.
        metrics: the figures whose sum, costs counted negative, chooses the weights that are released; empty where the
            last ones are. The start is examined too, so what is released is never worse there than what it began as.
        patience: so many examinations without a better one end the run; None runs to the end.
    """

    examine: Examine | None = None
    every: int | None = None
    metrics: tuple[str, ...] = ()
    patience: int | None = None


class Watch:
    """What examinations have found so far.

    Args:
        examination: how to watch.
    """

    def __init__(self, examination: Examination) -> None:
        self._examination = examination
        self.first: dict[str, float] = {}
        self.last: dict[str, float] = {}
        self.best: dict[str, float] = {}
        self.best_iteration = 0
        self._without_better = 0
        self.chosen: dict[str, Any] | None = None

    @property
    def chooses(self) -> bool:
        """Whether the best weights are released, not the last."""
        return bool(self._examination.metrics)

    @property
    def seen_enough(self) -> bool:
        """Whether the run may end."""
        patience = self._examination.patience
        return patience is not None and self._without_better >= patience

    def due(self, iteration: int, per_epoch: int, of: int) -> bool:
        """Whether it is time after iteration number `iteration` of `of`; 0 is the start."""
        if self._examination.examine is None:
            return False
        if iteration == 0:
            return self.chooses
        every = self._examination.every or per_epoch
        return iteration % every == 0 or (self.chooses and iteration == of)

    def take(self, network: nn.Module, iteration: int) -> dict[str, float]:
        """Examine a network after `iteration` steps; it is left in the mode it was in."""
        assert self._examination.examine is not None
        was_training = network.training
        network.eval()
        self.last = dict(self._examination.examine(network))
        network.train(was_training)
        self.first = self.first or self.last
        if self.chooses:
            self._choose(network, iteration)
        return self.last

    def _choose(self, network: nn.Module, iteration: int) -> None:
        if not self.best or self._worth(self.last) > self._worth(self.best):
            self.best, self.best_iteration, self._without_better = self.last, iteration, 0
            self.chosen = copy.deepcopy(network.state_dict())
        else:
            self._without_better += 1

    def _worth(self, figures: Mapping[str, float]) -> float:
        return sum(-figures[name] if name in _COSTS else figures[name] for name in self._examination.metrics)

    def state(self) -> dict[str, Any]:
        """All but the weights, as plain values."""
        return {
            "first": self.first,
            "last": self.last,
            "best": self.best,
            "best_iteration": self.best_iteration,
            "without_better": self._without_better,
        }

    def restore(self, state: Mapping[str, Any], chosen: dict[str, Any] | None) -> None:
        """The reverse of `state`, with the weights."""
        self.first, self.last, self.best = (dict(state[name]) for name in ("first", "last", "best"))
        self.best_iteration, self._without_better = int(state["best_iteration"]), int(state["without_better"])
        self.chosen = chosen
