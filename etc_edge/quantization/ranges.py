"""`ranges.json`: what calibration found, to be read, edited and used again."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Any

import msgspec

from etc_edge.core.errors import CalibrationError
from etc_edge.graph.grid import Grid, Scheme
from etc_edge.quantization.weights import Granularity

SCHEMA_VERSION = 1


class TensorRange(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The real values from `low` to `high` that a tensor's grid covers; what lies outside saturates.

    Args:
        scheme: the kind of grid; None is that of all ranges.
    """

    low: float
    high: float
    scheme: Scheme | None = None

    def grid(self, scheme: Scheme) -> Grid:
        """The grid; of the given kind where the range names none."""
        return Grid.covering(self.low, self.high, self.scheme or scheme)


class Ranges(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Ranges of one graph's activations.

    Args:
        graph: SHA-256 of the float `model.onnx` that they belong to.
        scheme: the kind of grid that they were chosen for; they can be lowered to the other.
        observer: what chose them.
        data: what it looked at.
        keep_float: names of operators that stay in float by wish.
        equalization: what each channel of a tensor is divided by, by tensor name; the ranges hold after that.
        weights: whether weights have a scale a channel or one in all.
        bias_correction: what is added to the bias of each channel of an operator, by its name.
        tensors: range by tensor name.
    """

    schema_version: int = SCHEMA_VERSION
    graph: str
    scheme: Scheme
    observer: str
    data: dict[str, Any]
    keep_float: list[str] = []
    equalization: dict[str, list[float]] = {}
    weights: Granularity = "channel"
    bias_correction: dict[str, list[float]] = {}
    tensors: dict[str, TensorRange]


def with_grids(ranges: Ranges, grids: Mapping[str, Grid]) -> Ranges:
    """The same ranges, but for tensors whose grids are given: those get the range that makes exactly this grid."""
    changed = {
        name: _range_of(grids[name], span.scheme) if name in grids else span for name, span in ranges.tensors.items()
    }
    return msgspec.structs.replace(ranges, tensors=changed)


def _range_of(grid: Grid, scheme: Scheme | None) -> TensorRange:
    # A symmetric grid is chosen by its largest code; it has one more below zero.
    return TensorRange(grid.low if grid.unsigned else -grid.high, grid.high, scheme)


def encode_ranges(ranges: Ranges) -> bytes:
    """Ranges as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(ranges), indent=2) + b"\n"


def load_ranges(path: Path, graph_sha256: str) -> Ranges:
    """Read ranges that were made for a certain graph.

    Raises:
        CalibrationError: no file, not ranges, made for another graph, a range that is infinite or leaves out zero, or
            a factor that is not positive.
    """
    try:
        ranges = msgspec.json.decode(Path(path).read_bytes(), type=Ranges)
    except OSError as error:
        raise CalibrationError(f"Found no ranges at {path}.") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CalibrationError(f"Found ranges in {path} that cannot be read: {error}.") from error
    if ranges.schema_version != SCHEMA_VERSION:
        raise CalibrationError(f"Found ranges of schema {ranges.schema_version}, expected {SCHEMA_VERSION}.")
    if ranges.graph != graph_sha256:
        raise CalibrationError(
            f"Found ranges in {path} that were made for graph {ranges.graph[:12]}…, expected {graph_sha256[:12]}….",
            "Calibrate this model anew, or give the ranges of the bundle that it came from.",
        )
    for name, span in ranges.tensors.items():
        if not span.low <= 0.0 <= span.high or not isfinite(span.high - span.low):
            raise CalibrationError(
                f"Found range [{span.low}, {span.high}] of tensor {name!r} in {path}, expected low ≤ 0 ≤ high."
            )
    for name, factors in ranges.equalization.items():
        wrong = next((factor for factor in factors if not 0.0 < factor < float("inf")), None)
        if wrong is not None:
            raise CalibrationError(f"Found the equalisation factor {wrong} of tensor {name!r} in {path}, expected > 0.")
    for name, added in ranges.bias_correction.items():
        if not all(isfinite(value) for value in added):
            raise CalibrationError(f"Found a correction of the bias of {name!r} in {path} that is not finite.")
    return ranges
