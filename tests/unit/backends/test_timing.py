"""Engines take turns, and each gets its own median."""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt

from etc_edge.backends.timing import median_times_ms


class Sleeper:
    """An engine that does nothing for a while, and notes its turns."""

    threads = 1
    size_hw = (2, 2)

    def __init__(self, name: str, seconds: float, turns: list[str]) -> None:
        self._name, self._seconds, self._turns = name, seconds, turns

    def run(self, frame_rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """See Engine."""
        self._turns.append(self._name)
        time.sleep(self._seconds)
        return frame_rgb[..., 0]

    def close(self) -> None:
        """See Engine."""


def test_medians_in_turns() -> None:
    turns: list[str] = []
    engines = [Sleeper("a", 0.002, turns), Sleeper("b", 0.2, turns)]
    a_ms, b_ms = median_times_ms(engines, [np.zeros((2, 2, 3), np.uint8)], warm_up=1, least_rounds=3, budget_s=0)
    assert turns == ["a", "b"] * 4
    assert 2 <= a_ms < b_ms
    assert b_ms >= 200
