"""The schema of `results.json`: fractions, milliseconds, bytes; what was not measured is absent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from etc_edge.core.atomic import atomic_file
from etc_edge.core.errors import ResultsError
from etc_edge.core.packed import Packed

SCHEMA_VERSION = 1


class Accuracy(msgspec.Struct, frozen=True, kw_only=True):
    """Agreement with ground truth, as fractions; `iou` by class name, classes that do not occur left out."""

    miou: float
    pixel_accuracy: float
    iou: dict[str, float]


class Temporal(msgspec.Struct, frozen=True, kw_only=True):
    """Steadiness over clips, as fractions; `flow` names the optical flow that neighbours were warped with.

    Stills have no neighbours; `vc8` and `vc16` need clips of that length with labels, `agreement` a reference. What
    could not be measured is absent.
    """

    flow: str | UnsetType = UNSET
    tc: float | UnsetType = UNSET
    tc_etc: float | UnsetType = UNSET
    flicker: float | UnsetType = UNSET
    vc8: float | UnsetType = UNSET
    vc16: float | UnsetType = UNSET
    agreement: float | UnsetType = UNSET


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds per frame."""

    mean: float
    p50: float
    p90: float
    p95: float
    p99: float
    max: float


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """The bundle that was measured and the engine that ran it."""

    name: str
    sha256: str
    precision: str
    model_bytes: int
    target: str | UnsetType = UNSET
    threads: int | UnsetType = UNSET


class Data(msgspec.Struct, frozen=True, kw_only=True):
    """What it was measured on."""

    name: str
    frames: int
    split: str | UnsetType = UNSET
    clips: int | UnsetType = UNSET
    labelled_frames: int | UnsetType = UNSET


class Drop(msgspec.Struct, frozen=True, kw_only=True):
    """Differences FP32 reference − this model, as fractions; a positive `flicker` means the reference flickers more."""

    miou: float | UnsetType = UNSET
    tc: float | UnsetType = UNSET
    tc_etc: float | UnsetType = UNSET
    flicker: float | UnsetType = UNSET


class Samples(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of every frame, which intervals, comparisons and reports are worked out from.

    Frames of all clips stand behind one another; a row of zeros was not measured (no labels, no frame before it).

    Args:
        classes: names, in the order of counts.
        clips: names, and in `clip_frames` how many frames of each were measured.
        latency_ms: float32 (frames,).
        truth: int32 (frames, 2, classes), intersections and unions of prediction and ground truth.
        steadiness: int32 (frames, 2, classes), those of the frame before and this one, brought back along the flow.
        flicker: int32 (frames, 2), pixels that changed class without changing looks, and pixels of unchanged looks.
    """

    classes: tuple[str, ...]
    clips: tuple[str, ...]
    clip_frames: tuple[int, ...]
    latency_ms: Packed
    truth: Packed
    steadiness: Packed
    flicker: Packed


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """One measured model; `reference` holds the same for the FP32 model of the same run.

    `intervals` holds lower and upper ends by the path of a figure ("accuracy.miou", "drop.tc", "latency_ms.p50"): 95 %
    intervals by bootstrap over clips and blocks of neighbouring frames.
    """

    bundle: Model
    data: Data
    device: dict[str, Any]
    versions: dict[str, str]
    schema_version: int = SCHEMA_VERSION
    accuracy: Accuracy | UnsetType = UNSET
    temporal: Temporal | UnsetType = UNSET
    latency_ms: Latency | UnsetType = UNSET
    stages_ms: dict[str, Latency] | UnsetType = UNSET
    throughput_fps: float | UnsetType = UNSET
    peak_memory_bytes: int | UnsetType = UNSET
    energy_j_per_frame: float | UnsetType = UNSET
    reference: Results | UnsetType = UNSET
    drop: Drop | UnsetType = UNSET
    intervals: dict[str, tuple[float, float]] | UnsetType = UNSET
    samples: Samples | UnsetType = UNSET


def save_results(results: Results | list[Results], path: Path) -> None:
    """Write results as indented JSON, whole or not at all."""
    with atomic_file(Path(path)) as temporary:
        temporary.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=2) + b"\n")


def load_results(path: Path) -> Results:
    """Read a file that holds one model's results.

    Raises:
        ResultsError: the file is missing, is not JSON, does not fit the schema, or holds several.
    """
    found = load_all_results(path)
    if len(found) != 1:
        raise ResultsError(f"Found results of {len(found)} models in {path}, expected those of one.")
    return found[0]


def load_all_results(path: Path) -> list[Results]:
    """Read a results file of one model or of several.

    Raises:
        ResultsError: the file is missing, is not JSON, or does not fit the schema.
    """
    try:
        text = Path(path).read_bytes()
        several = text.lstrip().startswith(b"[")
        found = msgspec.json.decode(text, type=list[Results]) if several else [msgspec.json.decode(text, type=Results)]
    except OSError as error:
        raise ResultsError(f"Found no results at {path}.") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ResultsError(
            f"Found {path}, which is no results file: {error}.", "Results are written by commands with --json."
        ) from error
    if not found:
        raise ResultsError(f"Found {path}, which is no results file: it holds an empty list.")
    for results in found:
        if results.schema_version != SCHEMA_VERSION:
            raise ResultsError(
                f"Found results of schema {results.schema_version} in {path}, expected {SCHEMA_VERSION}.",
                "Measure again with this version of etc-edge.",
            )
    return found
