"""What TensorRT says of the layers that it built: kind, precision, formats, and whether they are what was asked for.

The text is that of the engine inspector with detailed verbosity. It is meant for people and changes with versions, so
it is read tolerantly: what is not understood is shown as it is and counts as no precision.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from etc_edge.backends.layered import Layer as Layer
from etc_edge.core.errors import CompileError, EngineError

# In the order in which they are looked for: a format such as "Int8 … FP32 accumulation" starts with its own type.
_TYPES = (
    ("int8", re.compile(r"\b(int8|i8)\b", re.IGNORECASE)),
    ("fp8", re.compile(r"\b(fp8|e4m3)", re.IGNORECASE)),
    ("bf16", re.compile(r"\b(bf16|bfloat16)\b", re.IGNORECASE)),
    ("fp16", re.compile(r"\b(fp16|half|float16)\b", re.IGNORECASE)),
    ("fp32", re.compile(r"\b(fp32|float|float32)\b", re.IGNORECASE)),
    ("int32", re.compile(r"\b(int32|int64)\b", re.IGNORECASE)),
    ("uint8", re.compile(r"\buint8\b", re.IGNORECASE)),
    ("bool", re.compile(r"\bbool\b", re.IGNORECASE)),
)
_WEIGHTED = re.compile(r"conv|gemm|matmul|matrix.?multiply|fullyconnected|correlation", re.IGNORECASE)
_BITS = {"fp32": 32, "fp16": 16, "bf16": 16, "int8": 8, "fp8": 8}


class _Inspection(msgspec.Struct, frozen=True):
    layers: list[str | dict[str, Any]] = msgspec.field(name="Layers")


def read_layers(inspection: str) -> tuple[Layer, ...]:
    """Layers of an engine inspector's JSON.

    Raises:
        EngineError: it is no such JSON.
    """
    try:
        found = msgspec.json.decode(inspection.encode("utf-8"), type=_Inspection).layers
    except msgspec.DecodeError as error:
        raise EngineError(
            "Found TensorRT telling nothing of an engine's layers.", "Compile the bundle again."
        ) from error
    return tuple(Layer(name=one) if isinstance(one, str) else _layer(one) for one in found)


def precisions(layers: Sequence[Layer]) -> dict[str, int]:
    """How many layers compute in each precision, the most frequent first; those that do not tell are left out."""
    return dict(Counter(layer.precision for layer in layers if layer.precision).most_common())


def expect_precision(layers: Sequence[Layer], precision: str, name: str) -> str:
    """Refuse an engine that is not what was asked for.

    Args:
        layers: of the engine.
        precision: `int8`, `fp8`, `fp16` or `fp32`.
        name: of the network.

    Returns:
        for the user: how many layers compute in what.

    Raises:
        CompileError: no layer that multiplies with weights computes in that precision, most of them compute in a wider
            one than FP16, or the engine does not tell.
    """
    counts = precisions(layers)
    told = ", ".join(f"{count} {kind}" for kind, count in counts.items()) or "no precision at all"
    weighted = [layer for layer in layers if layer.weighted and layer.precision] or [
        layer for layer in layers if layer.precision in _BITS
    ]
    # An accelerator is one layer to TensorRT, which says what it reads and not what it does within.
    if any(layer.on_dla for layer in layers) and not any(layer.weighted for layer in layers):
        return f"layers: {told}"
    asked = [layer for layer in weighted if layer.precision == precision]
    wider = [layer for layer in weighted if _BITS.get(layer.precision, 0) > max(_BITS[precision], 16)]
    if not asked or len(wider) > len(weighted) / 2:
        raise CompileError(
            f"Found {len(asked)} of {len(weighted)} layers with weights in {precision} in what TensorRT built of "
            f"{name}, expected most of them (layers by precision: {told}).",
            "Ask for another --precision, or quantize the bundle for this target.",
        )
    return f"layers: {told}"


def _layer(told: dict[str, Any]) -> Layer:
    reads, writes = (tuple(_format(one) for one in told.get(side) or ()) for side in ("Inputs", "Outputs"))
    kind = str(told.get("ParameterType") or told.get("LayerType") or "")
    types = [kind_of(text) for text in reads]
    return Layer(
        name=str(told.get("Name", "")),
        kind=kind if kind else str(told.get("LayerType", "")),
        precision=next((one for one in types if one), ""),
        reads=reads,
        writes=writes,
        weighted=bool(_WEIGHTED.search(f"{told.get('LayerType', '')} {told.get('ParameterType', '')}")),
        on_dla="DLA" in str(told.get("LayerType", "")),
    )


def _format(tensor: dict[str, Any]) -> str:
    """A tensor's type and layout; older versions tell them in one field, newer ones in two."""
    both = [tensor.get(field) for field in ("Format/Datatype", "Datatype", "Format")]
    return " ".join(str(one) for one in both if one)


def kind_of(text: str) -> str:
    """The type that a format names, or ""."""
    found = [(match.start(), name) for name, pattern in _TYPES if (match := pattern.search(text))]
    return min(found)[1] if found else ""
