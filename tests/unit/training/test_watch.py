"""When a network is examined, which weights are kept, and when it is enough."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

from etc_edge.training.watch import Examination, Watch


def examined(scores: list[float], metric: str = "tc", patience: int | None = None) -> tuple[Watch, nn.Linear]:
    """A watch after one look a score, at a network whose one weight is the number of the look."""
    left: Iterator[float] = iter(scores)
    watch = Watch(Examination(lambda network: {metric: next(left)}, 10, (metric,), patience))
    network = nn.Linear(1, 1, bias=False).train()
    for number in range(len(scores)):
        nn.init.constant_(network.weight, number)
        watch.take(network, 10 * number)
    return watch, network


def test_the_best_weights_are_kept() -> None:
    watch, network = examined([0.5, 0.7, 0.6])
    assert (watch.first, watch.best, watch.last) == ({"tc": 0.5}, {"tc": 0.7}, {"tc": 0.6})
    assert watch.best_iteration == 10
    assert watch.chosen is not None
    assert float(watch.chosen["weight"]) == 1.0
    assert network.training, "it is left as it was"


def test_less_flicker_is_better() -> None:
    assert examined([0.03, 0.01, 0.02], "flicker")[0].best_iteration == 10


def test_patience() -> None:
    assert not examined([0.5, 0.4, 0.6, 0.5], patience=2)[0].seen_enough
    assert examined([0.5, 0.4, 0.6, 0.5, 0.6], patience=2)[0].seen_enough
    assert not examined([0.5, 0.4, 0.3], patience=None)[0].seen_enough


def test_when_it_is_time() -> None:
    def at(examination: Examination) -> list[int]:
        watch = Watch(examination)
        return [step for step in range(13) if watch.due(step, 4, 12)]

    def examine(network: nn.Module) -> dict[str, float]:
        return {}

    assert at(Examination()) == []
    assert at(Examination(examine)) == [4, 8, 12], "once an epoch"
    assert at(Examination(examine, 5, ("tc",))) == [0, 5, 10, 12], "what chooses looks at the start and at the end too"


def test_it_goes_on_where_it_was() -> None:
    watch, _ = examined([0.5, 0.7, 0.6], patience=2)
    again = Watch(Examination(lambda network: {"tc": 0.1}, 10, ("tc",), 2))
    again.restore(watch.state(), watch.chosen)
    assert again.state() == watch.state()
    again.take(nn.Linear(1, 1, bias=False), 30)
    assert again.seen_enough
    assert again.chosen is not None
    assert torch.equal(again.chosen["weight"], torch.ones(1, 1))
