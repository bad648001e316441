"""Compare results with those of before, and hold them to gates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from etc_edge.core.gate import Gate, GateOutcome
from etc_edge.core.results import Results
from etc_edge.metrics.comparison import Change, changes, conditions_that_differ


@dataclass(frozen=True)
class Comparison:
    """What a comparison found.

    Args:
        new: the results.
        base: what they were compared with, if anything.
        changes: figures that both hold.
        differing: sentences on what else differs.
        gates: what became of each gate.
    """

    new: Results
    base: Results | None = None
    changes: list[Change] = field(default_factory=list)
    differing: list[str] = field(default_factory=list)
    gates: list[GateOutcome] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether no gate fired."""
        return not any(gate.fired for gate in self.gates)


def compare(new: Results, base: Results | None = None, gates: Sequence[Gate] = ()) -> Comparison:
    """Put results beside those of before and work every gate out.

    Args:
        new: the results.
        base: those of before; None only decides gates.
        gates: conditions that fail a release.

    Raises:
        GateError: a figure that a gate names was not measured, or it names the base and there is none.
        ResultsError: counts in the results are damaged.
    """
    outcomes = [gate.decide(new, base) for gate in gates]
    if base is None:
        return Comparison(new, gates=outcomes)
    return Comparison(new, base, changes(base, new), conditions_that_differ(base, new), outcomes)
