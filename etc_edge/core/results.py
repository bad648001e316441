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
    """The bundle that was measured, how it was made, as far as it tells, and the engine that ran it."""

    name: str
    sha256: str
    precision: str
    model_bytes: int
    target: str | UnsetType = UNSET
    threads: int | UnsetType = UNSET
    recipe: dict[str, Any] | UnsetType = UNSET


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


class Conditions(msgspec.Struct, frozen=True, kw_only=True):
    """What the machine did while it was measured; what it does not tell is absent.

    Args:
        seconds: how long the measurement took.
        others_share: share of all cores' time that other processes took.
        steal_share: share that the hypervisor took.
        waiting_share: share of the time in which some process had to wait for a core (PSI, "some").
        load_average: of the minute before the end.
        governor: of the processor's frequency, such as "performance"; several with "," where cores differ.
        frequency_mhz: mean over cores, at the end.
        throttled: how often cores were slowed down because of heat.
        temperature_c: the hottest zone at the end.
        power_mode: of a Jetson (`nvpmodel`), or the platform profile of a PC.
    """

    seconds: float
    others_share: float | UnsetType = UNSET
    steal_share: float | UnsetType = UNSET
    waiting_share: float | UnsetType = UNSET
    load_average: float | UnsetType = UNSET
    governor: str | UnsetType = UNSET
    frequency_mhz: float | UnsetType = UNSET
    throttled: int | UnsetType = UNSET
    temperature_c: float | UnsetType = UNSET
    power_mode: str | UnsetType = UNSET


class Protocol(msgspec.Struct, frozen=True, kw_only=True):
    """How it was timed; no frame that was timed is left out of any figure.

    Args:
        run: tells this run from others: results of one run were measured in turns.
        warm_up: calls of each contender in each round before the first that counts.
        rounds: each with the engine loaded anew.
        frames: timed in each round.
        interleaved: how many contenders took turns frame by frame, the yardstick included.
        precision: half width of the 95 % interval by the path of a figure, as a share of the figure.
        asked: what was asked for, likewise.
        reached: whether all that was asked for was reached before time was up.
    """

    run: str
    warm_up: int
    rounds: int
    frames: int
    interleaved: int
    precision: dict[str, float]
    asked: dict[str, float]
    reached: bool


class Yardstick(msgspec.Struct, frozen=True, kw_only=True):
    """A network that every benchmark on an engine times along, so that the state of the machine can be taken out.

    Args:
        name: what it is.
        sha256: of its bundle.
        engine: the engine with its version and threads; only equal yardsticks are compared.
        latency_ms: of it.
        cores: processor time by time: how many cores it was given.
        relative: latency of the model as a multiple of the yardstick's on the same turn, median.
    """

    name: str
    sha256: str
    engine: str
    latency_ms: Latency
    cores: float
    relative: float


class AtRate(msgspec.Struct, frozen=True, kw_only=True):
    """Frames that arrive by the clock; of those that wait only the newest is taken.

    Args:
        rate_fps: how many arrive a second.
        frames: how many arrived.
        dropped: how many of them were not taken.
        latency_ms: from a frame's arrival to its labels in hand, of those that were taken.
    """

    rate_fps: float
    frames: int
    dropped: int
    latency_ms: Latency


class Scaling(msgspec.Struct, frozen=True, kw_only=True):
    """So many engines at the same time, each with so many threads.

    Args:
        streams: engines, each in a thread of its own, flat out.
        threads: processor threads of one inference.
        latency_ms: of a frame.
        throughput_fps: of all streams together.
        memory_bytes: resident memory that they added together.
    """

    streams: int
    threads: int
    latency_ms: Latency
    throughput_fps: float
    memory_bytes: int | UnsetType = UNSET


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """Resident memory of the process; its peak is `peak_memory_bytes`.

    Args:
        engine_bytes: what loading the engine and its first frames added.
        per_stream_bytes: what a second engine of the same model added.
    """

    engine_bytes: int
    per_stream_bytes: int | UnsetType = UNSET


class Power(msgspec.Struct, frozen=True, kw_only=True):
    """Electrical power while frames were labelled flat out; its energy by frame is `energy_j_per_frame`.

    Args:
        meter: `rapl`, `nvml` or `ina3221`.
        watts: mean power of the metered parts, what the idle machine takes included.
        idle_watts: likewise while nothing was done just before.
    """

    meter: str
    watts: float
    idle_watts: float


class Samples(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of every frame, which intervals, comparisons and reports are worked out from.

    Frames of all clips stand behind one another; a row of zeros was not measured (no labels, no frame before it).
    A benchmark's clips are its rounds.

    Args:
        classes: names, in the order of counts.
        clips: names, and in `clip_frames` how many frames of each were measured.
        latency_ms: float32 (frames,).
        truth: int32 (frames, 2, classes), intersections and unions of prediction and ground truth.
        steadiness: int32 (frames, 2, classes), those of the frame before and this one, brought back along the flow.
        flicker: int32 (frames, 2), pixels that changed class without changing looks, and pixels of unchanged looks.
        yardstick_ms: float32 (frames,), latency of the yardstick on the same turn.
    """

    classes: tuple[str, ...]
    clips: tuple[str, ...]
    clip_frames: tuple[int, ...]
    latency_ms: Packed
    truth: Packed
    steadiness: Packed
    flicker: Packed
    yardstick_ms: Packed | UnsetType = UNSET


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """One measured model; `reference` holds the same for the FP32 model of the same run.

    `intervals` holds lower and upper ends by the path of a figure ("accuracy.miou", "drop.tc", "latency_ms.p50"): 95 %
    intervals by bootstrap over clips and blocks of neighbouring frames. `latency_ms` is from a frame in hand to its
    labels in hand, at the frame's own size; `modes_ms` holds `engine` (the network alone, on a frame that lies in its
    memory), `copies` (a frame of the network's size in, labels out) and `end_to_end` (decoding included).
    `at_rate` is by frames a second ("30"), `scaling` by streams and threads ("2x1").
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
    modes_ms: dict[str, Latency] | UnsetType = UNSET
    throughput_fps: float | UnsetType = UNSET
    peak_memory_bytes: int | UnsetType = UNSET
    energy_j_per_frame: float | UnsetType = UNSET
    reference: Results | UnsetType = UNSET
    drop: Drop | UnsetType = UNSET
    intervals: dict[str, tuple[float, float]] | UnsetType = UNSET
    samples: Samples | UnsetType = UNSET
    yardstick: Yardstick | UnsetType = UNSET
    memory: Memory | UnsetType = UNSET
    power: Power | UnsetType = UNSET
    at_rate: dict[str, AtRate] | UnsetType = UNSET
    scaling: dict[str, Scaling] | UnsetType = UNSET
    protocol: Protocol | UnsetType = UNSET
    conditions: Conditions | UnsetType = UNSET


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
