"""What TensorRT says of the layers that it built: whether what was to be INT8 is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etc_edge.core.errors import CompileError


@dataclass(frozen=True)
class Layers:
    """The layers of an engine.

    Args:
        count: how many there are; 0 where TensorRT did not say.
        int8: how many of them read INT8; None where their types are not told.
    """

    count: int = 0
    int8: int | None = None

    @classmethod
    def read(cls, path: Path) -> Layers:
        """From the file that Torch-TensorRT's debugger writes: `Layers`, each an object, or only a name."""
        try:
            found = json.loads(path.read_text(encoding="utf-8"))["Layers"]
        except (OSError, ValueError, KeyError, TypeError):
            return cls()
        described = [layer for layer in found if isinstance(layer, dict)]
        if not any("Inputs" in layer for layer in described):
            return cls(len(found))
        return cls(len(found), sum(_reads_int8(layer) for layer in described))

    def expect_int8(self, name: str, quantized: int) -> None:
        """Refuse an engine of a quantized network in which nothing is INT8.

        Raises:
            CompileError: it is so.
        """
        if quantized and self.int8 == 0:
            raise CompileError(
                f"Found no INT8 among the {self.count} layers that TensorRT built of {name}, in which {quantized} "
                "tensors are quantized.",
                "Compile it with --target tensorrt, or the FP32 bundle for FP16.",
            )

    def note(self, floats: int, wide: int) -> str:
        """For the user: what is in which precision.

        Args:
            floats: weights of the bundle's INT8 operators that stayed floats.
            wide: steps that stayed in 32-bit floats.
        """
        parts = [f"{self.int8} of {self.count} layers read INT8" if self.int8 else "16-bit floats"]
        parts += [f"{floats} weights of INT8 operators in 16-bit floats"] if floats else []
        parts += [f"{wide} steps that would overflow in 32 bits"] if wide else []
        return ", ".join(parts)


def _reads_int8(layer: dict[str, Any]) -> bool:
    return any("int8" in str(one.get("Format/Datatype", "")).lower() for one in layer.get("Inputs", []))
