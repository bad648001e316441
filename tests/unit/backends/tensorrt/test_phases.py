"""A builder's phases become one task, whatever the order in which its threads report."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from etc_edge.backends.tensorrt.phases import Phases


class Kept:
    """Progress that keeps what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []

    @contextmanager
    def task(self, description: str, total: int | None = None) -> Iterator[Kept]:
        self.told.append(("began", description, total))
        yield self
        self.told.append(("ended",))

    def advance(self, count: int = 1, **figures: str) -> None:
        self.told.append(("advanced", count, figures))

    def say(self, message: str) -> None:
        self.told.append(("said", message))


def test_a_phase_within_is_named_and_steps_that_were_left_out_are_counted() -> None:
    kept = Kept()
    phases = Phases(kept)
    phases.begin("Building", None, 4)
    phases.begin("Tactics", "Building", 100)
    phases.step("Tactics", 50)
    phases.step("Building", 0)
    phases.step("Building", 2)
    phases.step("Building", 1)
    phases.finish("Tactics")
    phases.finish("Building")
    assert kept.told == [
        ("began", "TensorRT: Building", 4),
        ("advanced", 0, {"now": "Tactics"}),
        ("advanced", 1, {}),
        ("advanced", 2, {}),
        ("ended",),
    ]


def test_what_an_error_leaves_open_is_ended_once() -> None:
    kept = Kept()
    phases = Phases(kept)
    phases.begin("Building", None, 4)
    phases.close()
    phases.close()
    phases.step("Building", 0)
    assert kept.told == [("began", "TensorRT: Building", 4), ("ended",)]
