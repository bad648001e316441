"""The yardstick: one network that is timed along on an engine, so that results of different days can be compared."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median

from etc_edge.backends.base import EngineOptions
from etc_edge.backends.cache import cached
from etc_edge.benchmark.contender import Contender
from etc_edge.benchmark.timed_frame import TimedFrame
from etc_edge.core.bundle import Bundle
from etc_edge.core.errors import EtcEdgeError
from etc_edge.core.progress import Progress
from etc_edge.core.results import Yardstick
from etc_edge.metrics.latency import latency

SHIPPED = Path(__file__).parent.parent / "demo" / "street_small.etc"
"""The network that the package brings along, so that every installation has the same one."""


def yardsticks_for(
    contenders: Sequence[Contender], bundle_path: Path | None, progress: Progress
) -> tuple[list[Contender], list[int | None]]:
    """A yardstick for every engine that takes part, and which of them is whose.

    An engine that cannot run the yardstick has none, and `progress` is told why.

    Args:
        contenders: the models.
        bundle_path: the bundle that is the yardstick; None for none.
        progress: told what is compiled.

    Raises:
        BundleError: there is no such bundle.
    """
    if bundle_path is None:
        return [], [None] * len(contenders)
    bundle = Bundle.open(bundle_path)
    made: list[Contender] = []
    known: dict[tuple[str, int], int | None] = {}
    whose: list[int | None] = []
    for contender in contenders:
        threads = contender.threads or contender.compiled.options.threads
        key = contender.compiled.manifest.backend, threads
        if key not in known:
            known[key] = None
            try:
                compiled = cached(bundle, key[0], EngineOptions(threads=threads), progress)
                made.append(Contender(bundle_path, compiled, threads, list(bundle.selftest().frames)))
                known[key] = len(made) - 1
            except EtcEdgeError as error:
                progress.say(f"No yardstick on {key[0]}: {error.message} Results of other runs compare less well.")
        whose.append(known[key])
    return made, whose


def yardstick_figures(yardstick: Contender, its: Sequence[TimedFrame], model: Sequence[TimedFrame]) -> Yardstick:
    """What results say of a yardstick that was timed in turns with a model."""
    manifest = yardstick.compiled.manifest
    threads = yardstick.threads or yardstick.compiled.options.threads
    return Yardstick(
        name=manifest.name,
        sha256=manifest.bundle_hash,
        engine=yardstick.engine_name(threads),
        latency_ms=latency([frame.latency_ms for frame in its]),
        cores=median(frame.cores for frame in its),
        relative=median(ours.latency_ms / theirs.latency_ms for ours, theirs in zip(model, its, strict=True)),
    )
