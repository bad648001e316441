"""Engines that tell what their layers are and how long each takes."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import msgspec

from etc_edge.backends.base import UInt8


class Layer(msgspec.Struct, frozen=True, kw_only=True):
    """One layer of an engine.

    Args:
        name: as the profiler calls it; names of the ONNX nodes that it holds are part of it.
        kind: TensorRT's word for what it is.
        precision: type of the first tensor that it reads; "" where that is not told.
        reads: formats of its inputs.
        writes: formats of its outputs.
        weighted: whether it multiplies with weights.
        on_dla: whether a deep learning accelerator runs it.
    """

    name: str
    kind: str = ""
    precision: str = ""
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    weighted: bool = False
    on_dla: bool = False


@runtime_checkable
class Layered(Protocol):
    """An engine whose vendor tells of its layers."""

    def layers(self) -> tuple[Layer, ...]:
        """Layers in the order in which they run."""

    def layer_times_ms(self, frame_rgb: UInt8, rounds: int = 20) -> dict[str, float]:
        """Mean milliseconds of every layer, by name, on uint8 frames (H, W, 3)."""
