"""What a compiled engine is made of: what it was made by and for, and its layers where the vendor tells of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from etc_edge.backends.compiled import Compiled
from etc_edge.backends.layered import Layer, Layered


@dataclass(frozen=True)
class EngineReport:
    """An engine looked into.

    Args:
        compiled: the compiled form.
        layers: each layer, and its mean milliseconds, None where the vendor measured none; empty where the vendor tells
            nothing of layers.
    """

    compiled: Compiled
    layers: tuple[tuple[Layer, float | None], ...]

    @property
    def precisions(self) -> dict[str, int]:
        """How many layers compute in each precision, the most frequent first."""
        return dict(Counter(layer.precision for layer, _ in self.layers if layer.precision).most_common())


def inspect_engine(path: Path, trust: bool = False) -> EngineReport:
    """Load an engine, ask for its layers, and time each.

    Args:
        path: a folder that `etc-edge compile --out` wrote.
        trust: load it although another installation made it.

    Raises:
        EngineError: it is damaged, for another device or version, or was made elsewhere and is code.
    """
    compiled = Compiled.open(path)
    if trust:
        compiled.trust()
    engine = compiled.load()
    try:
        if not isinstance(engine, Layered):
            return EngineReport(compiled, ())
        times = engine.layer_times_ms(np.zeros((*engine.size_hw, 3), np.uint8))
        return EngineReport(compiled, tuple((layer, times.get(layer.name)) for layer in engine.layers()))
    finally:
        engine.close()
